"""The one door for a server's words: a text that holds a piece of a secret is replaced whole, however it is written."""

from __future__ import annotations

import copy
import pickle
import re
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from textwrap import wrap
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.account import Account, ApiToken, Hiding, OAuthToken, Secret, load_account
from exporter.account.hiding import LOOKED_AT, PIECE, WITHHELD, WORDS

EMAIL, TOKEN = "jo+sé@b.example", 's3cr3t/T0ken+of=the%test"&'
HEADER = ApiToken(EMAIL, Secret(TOKEN)).header()

WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "slashes": lambda text: text.replace("/", "\\/"),
    "JSON": lambda text: "".join(f"\\u{ord(each):04X}" for each in text),
    "JSON in JSON": lambda text: "".join(f"\\\\u{ord(each):04x}" for each in text),
    "percent": lambda text: quote(text, safe=""),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "HTML": lambda text: "<html><h1>" + "".join(f"&#x{ord(each):02x};" for each in text) + "</h1></html>",
    "upper case": str.upper,
    "wrapped at 20": lambda text: "\r\n".join(wrap(text, 20)),
    "a tag between": "<b>".join,
    "within a tag": lambda text: f'<a href="{text}">',
    "dots between, as a host": lambda text: ".".join(re.sub("[^A-Za-z0-9]", "", text)),
    "full width": lambda text: "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in text),
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64 for addresses": lambda text: urlsafe_b64encode(f"Authorization: {text}".encode()).decode().rstrip("="),
    "base64 in lines, upper case": lambda text: "\n".join(wrap(b64encode(text.encode()).decode(), 20)).upper(),
    "a piece": lambda text: text[-16:-4],
}


@pytest.mark.parametrize("secret", [HEADER, TOKEN], ids=["header", "token"])
@pytest.mark.parametrize("form", WRITTEN)
def test_words_that_hold_a_secret_are_replaced_whole(form: str, secret: str) -> None:
    account = load_account("acme", {"ZENDESK_EMAIL": EMAIL, "ZENDESK_API_TOKEN": TOKEN})
    assert account.hiding.words(f"refused: {WRITTEN[form](secret)} is no good") == WITHHELD


@given(st.text(max_size=9), st.integers(0, 40), st.integers(PIECE, 30), st.text(max_size=9))
def test_any_piece_of_a_secret_in_base64_is_found_wherever_it_stands(lead: str, at: int, size: int, tail: str) -> None:
    secret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ9876"
    hiding = Hiding()
    hiding.know(secret)
    assert hiding.words(f"{lead}{secret[at : at + size]}{tail}") == WITHHELD
    encoded = b64encode(f"{lead}{secret}{tail}".encode()).decode()
    begin = (len(lead.encode()) + at) * 8 // 6 + 2
    assert hiding.words(encoded[begin : begin + size]) == WITHHELD


@given(st.text(alphabet=st.characters(exclude_characters="0123456789"), max_size=300))
def test_other_words_are_kept_short_and_on_one_line(text: str) -> None:
    hiding = Hiding()
    hiding.know("0123456789" * 3)
    shown = hiding.words(text)
    assert shown.isprintable()
    assert len(shown) <= WORDS
    assert shown == " ".join("".join(each if each.isprintable() else " " for each in text).split())[:WORDS]


def test_a_secret_that_is_minted_later_is_hidden_from_then_on_and_the_old_one_still() -> None:
    account = Account("https://acme.zendesk.com", OAuthToken(Secret("first-token-of-it")))
    account.hiding.know("second-token-of-it", "hunter2")
    for said in ("first-token-of-it", "SECOND.TOKEN", "the proxy says hunter2"):
        assert account.hiding.words(said) == WITHHELD
    assert account.hiding.words("hunter 3 is no token") == "hunter 3 is no token"


def test_what_is_hidden_can_neither_be_shown_nor_stored() -> None:
    account = load_account("acme", {"ZENDESK_OAUTH_TOKEN": TOKEN})
    assert TOKEN[:PIECE] not in f"{account!r} {account.hiding!r}"
    for store in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            store(account.hiding)


@pytest.mark.parametrize(
    "piece", ["\\", "%25", "&#0", "<", "\\u0025", TOKEN[:7], HEADER[:-5], quote(TOKEN, safe="")[:-1]]
)
def test_hiding_takes_linear_time(piece: str) -> None:
    hiding = Hiding()
    hiding.know(*(f"{number:064x}" for number in range(100)), "x" * 4096)
    began = time.process_time()
    hiding.words((piece * LOOKED_AT * 100)[: LOOKED_AT * 100])  # no more is looked at than its beginning
    assert time.process_time() - began < 1.0
