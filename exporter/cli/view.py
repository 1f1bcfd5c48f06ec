"""Which view shows an export: live at a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import os
import shutil
from typing import Literal, TextIO

from exporter.cli.terminal import JsonView, OneLineView, PlainView, QuietView, View

Mode = Literal["auto", "bar", "json", "off"]


def make_view(mode: Mode, quiet: bool, stream: TextIO | None, *, piped: bool = False) -> View:
    """Choose the view: live at a terminal, plain lines elsewhere, or what `mode` says.

    :param stream: stderr; None, as Python has it for a closed one, shows nothing.
    :param piped: users go into a pipe, whose reader may print to the same terminal: a frame would be drawn over that.
    """
    if quiet or mode == "off" or stream is None:
        return QuietView()
    if mode == "json":
        return JsonView(stream)
    if mode == "bar" or (stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")):
        if piped:
            return OneLineView(stream, lambda: _columns(stream))
        from exporter.cli.live import LiveView  # rich takes its time to import

        return LiveView(stream)
    return PlainView(stream)


def _columns(stream: TextIO) -> int:
    """Return how wide the terminal of a stream is, which may be resized at any time."""
    try:
        told = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        told = 0
    return told or shutil.get_terminal_size().columns
