"""Text from elsewhere, made fit to be shown: names, paths and servers' words can hold what a terminal obeys."""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor movements
    # OSC and its kin carry a text to their terminator: titles, links, the clipboard. The text goes with them. One that
    # is never terminated would swallow all that follows, and only its introducer goes. Without introducers in the
    # class, a run of them would take quadratic time.
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])"
    r"|\x1b[ -/]*[0-~]?"
)
_BREAKS = re.compile(r"\r\n|[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Characters that Unicode calls ignorable without calling them format characters (Cf)."""


ERROR_LIMIT = 500
"""Characters of an error that are shown."""


def clean(text: str, limit: int = 200) -> str:
    """Return the text on one line, without anything a terminal would obey or a person could not see.

    Escape sequences, control, bidi and zero-width characters are gone; line breaks and tabs are spaces; what has no
    meaning to anyone (lone surrogates, private and unassigned characters) is U+FFFD.

    :param limit: characters at most; a text that is longer ends in `…`.

    >>> clean("Jos\\x1b[31mé\\r\\n\\u202egnp.exe")
    'José gnp.exe'
    """
    text = _INVISIBLE.sub("", _BREAKS.sub(" ", _ESCAPES.sub("", text)))
    if not text.isprintable():
        text = "".join(map(_shown, text))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    return "" if category in ("Cc", "Cf") else "\ufffd"
