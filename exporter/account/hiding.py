"""The one door for a server's words: what of them may be shown, logged, or kept in a ledger or a manifest.

A server, or a proxy before it, can say our own secrets back to us: whole, escaped, in another case, wrapped with tags
or dots between, as the name of a host, or in base64 of the header that we sent. To blank them out one would have to
know where they begin and end, so a text that holds a piece of one is replaced whole.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from base64 import b64encode
from html import unescape
from urllib.parse import unquote

WORDS = 200
"""Characters of a server's text that are worth showing."""
LOOKED_AT = 4096
"""Characters of it that are looked at at all."""
PIECE = 8
"""Letters and digits in a row of a secret that give too much of it away."""
WITHHELD = "*** (words that repeat our own credentials)"

_ROUNDS = 3  # texts escaped for JSON, in an address, in HTML: more than that nobody could read either
_NO_LETTERS = re.compile(r"[^0-9a-z]+")
_TAG = re.compile(r"<[^<>]*>")
_CODE = re.compile(r"\\+u([0-9a-fA-F]{4})")


class Hiding:
    """The secrets that must not be shown, and the door that holds words against them.

    An account has one; whoever mints or reads a secret for it makes it known here before it is sent. Secrets stay known
    when they have ended: a server may repeat them later. Threads may use it together.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: dict[int, set[str]] = {}

    def __repr__(self) -> str:
        return "<Hiding>"

    def __reduce__(self) -> str:
        raise TypeError("secrets are not to be stored")

    def know(self, *secrets: str) -> None:
        """Make secrets known, as they are revealed: tokens, passwords, and a header's value without its scheme."""
        with self._lock:
            pieces = {size: set(known) for size, known in self._pieces.items()}
            for text in map(_bare, (form for secret in secrets for form in _forms(secret))):
                size = min(PIECE, len(text))
                if size:
                    pieces.setdefault(size, set()).update(_pieces(text, size))
            self._pieces = pieces  # at once: nobody reads a set that grows

    def words(self, text: str) -> str:
        """Return a server's text as it may be shown: on one line, printable, short, and none of our secrets in it."""
        text = text[:LOOKED_AT]
        if self._is_given_away(text):
            return WITHHELD
        return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:WORDS]

    def _is_given_away(self, text: str) -> bool:
        for _ in range(_ROUNDS + 1):
            for form in {text, _TAG.sub("", text)}:
                bare = _bare(form)
                if any(not known.isdisjoint(_pieces(bare, size)) for size, known in self._pieces.items()):
                    return True
            plainer = unescape(unquote(_CODE.sub(lambda found: chr(int(found[1], 16)), text)))
            if plainer == text:
                return False
            text = plainer
        return False


def _forms(secret: str) -> list[str]:
    """Return a secret, and what it is in base64 wherever it stands in a longer text: there are three such places."""
    raw = secret.encode()
    shifted = []
    for lead in range(3):
        encoded = b64encode(b"\0" * lead + raw).decode().rstrip("=")
        # The characters at either end also hold bits of what stands beside it.
        shifted.append(encoded[-(-lead * 8 // 6) : len(encoded) - bool((lead + len(raw)) % 3)])
    return [secret, *(form for form in shifted if len(form) >= PIECE)]


def _bare(text: str) -> str:
    """Return letters and digits alone, in lower case: what is left however a text is wrapped, spelt or punctuated."""
    return _NO_LETTERS.sub("", unicodedata.normalize("NFKC", text).lower())


def _pieces(text: str, size: int) -> set[str]:
    return {text[at : at + size] for at in range(len(text) - size + 1)}
