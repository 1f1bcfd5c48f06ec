"""From parameters to bytes, and from bytes to pages: the wire format, item cursors, the cursor codec, mending.

May touch: nothing; pure functions. Promises: a line is the user as the API sent it (P7); what is no page is an error
that says why; a cursor is made only where the server's own have shown the codec right.
"""

from __future__ import annotations

from exporter.pages.codec import Trust, make_cursor, make_cursors
from exporter.pages.links import leads_to
from exporter.pages.mend import MENDED
from exporter.pages.told import read_caller, read_count
from exporter.pages.wire import parameters, read_increment, read_page

__all__ = [
    "MENDED",
    "Trust",
    "leads_to",
    "make_cursor",
    "make_cursors",
    "parameters",
    "read_caller",
    "read_count",
    "read_increment",
    "read_page",
]
