"""Which view shows an export: live at a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import os
from typing import Literal, TextIO

from exporter.cli.terminal import JsonView, PlainView, QuietView, View

Mode = Literal["auto", "bar", "json", "off"]


def make_view(mode: Mode, quiet: bool, stream: TextIO | None) -> View:
    """Choose the view: live at a terminal, plain lines elsewhere, or what `mode` says.

    :param stream: stderr; None, as Python has it for a closed one, shows nothing.
    """
    if quiet or mode == "off" or stream is None:
        return QuietView()
    if mode == "json":
        return JsonView(stream)
    if mode == "bar" or (stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")):
        from exporter.cli.live import LiveView  # rich takes its time to import

        return LiveView(stream)
    return PlainView(stream)
