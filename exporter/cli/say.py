"""Words for a person: on stderr, or nowhere."""

from __future__ import annotations

import sys
from contextlib import suppress


def say(text: str) -> None:
    """Print to stderr, if there is one: without it, `print` would fall back to stdout, which is for users."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)
