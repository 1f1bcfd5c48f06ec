"""Words for a person: on stderr, or nowhere. And in ASCII where a terminal or pipe takes nothing else."""

from __future__ import annotations

import codecs
import io
import sys
from contextlib import suppress

_PLAIN = {"…": "...", "→": "->", "·": "-", "–": "-", "─": "-", "×": "x", "━": "=", "╸": ">", "’": "'"}
"""What stands for what we write ourselves; all else is a question mark."""


def say(text: str) -> None:
    """Print to stderr, if there is one: without it, `print` would fall back to stdout, which is for users."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)


def be_plain_where_needed() -> None:
    """Have stdout and stderr take any text: a character that their encoding lacks is written as one that it has."""
    codecs.register_error("zexport", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(errors="zexport")


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_PLAIN.get(character, "?") for character in error.object[error.start : error.end]), error.end
