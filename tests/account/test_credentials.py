"""The account's address, and secrets that never show themselves (P9)."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import traceback
from base64 import b64decode
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.account.credentials import (
    Account,
    ApiToken,
    OAuthToken,
    Secret,
    load_account,
    parse_origin,
)
from exporter.errors import UsageError

TOKEN = "S3cretT0kenOfNobody"
API = {"ZENDESK_EMAIL": "a@b.example", "ZENDESK_API_TOKEN": TOKEN}
OAUTH = {"ZENDESK_OAUTH_TOKEN": TOKEN}


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("acme", "https://acme.zendesk.com"),
        (" acme\n", "https://acme.zendesk.com"),
        ("ACME", "https://acme.zendesk.com"),
        ("a-1", "https://a-1.zendesk.com"),
        ("acme.zendesk.com", "https://acme.zendesk.com"),
        ("Acme.ZenDesk.com", "https://acme.zendesk.com"),
        ("https://acme.zendesk.com", "https://acme.zendesk.com"),
        ("HTTPS://acme.zendesk.com/", "https://acme.zendesk.com"),
        ("https://support.acme.example", "https://support.acme.example"),
        ("https://acme.zendesk.com:8443", "https://acme.zendesk.com:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://127.8.9.10:1/", "http://127.8.9.10:1"),
        ("http://localhost:80", "http://localhost:80"),
        ("http://LOCALHOST:80", "http://localhost:80"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://127.0.0.1:8080", "https://127.0.0.1:8080"),
    ],
)
def test_an_address_is_read(text: str, origin: str) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "http://acme.zendesk.com",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://128.0.0.1",
        "http://0.0.0.0",
        "http://192.168.0.1",
        "http://[::2]",
        "http://2130706433",
        "http://0x7f.0.0.1",
        "http://127.1",
        "http://127.0.0.1\n.evil.example",
    ],
)
def test_plain_http_goes_to_loopback_only(text: str) -> None:
    with pytest.raises(UsageError):
        parse_origin(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        "..",
        "../acme",
        "-acme",
        "acme-",
        "ac_me",
        "ac me",
        "ac\nme",
        "acme\0",
        "acme/evil",
        "acme?x",
        "acme#x",
        "acme%2e",
        "a" * 64,
        "münchen",
        "münchen.zendesk.com",
        "ac\u017fme",  # matched by [a-z] where case is ignored
        "\u212aing",
        "acme\u3002zendesk.com",
        "acme。com",
        "https://",
        "https:///x",
        "https://acme",
        "https://acme.zendesk.com.",
        "https://.zendesk.com",
        "https://acme..zendesk.com",
        "https://acme.zendesk.com/api/v2",
        "https://acme.zendesk.com?a=b",
        "https://acme.zendesk.com#a",
        "https://acme.zendesk.com:port",
        "https://acme.zendesk.com:99999",
        "https://acme.zendesk.com:-1",
        "https://acme.zen\ndesk.com",
        "https://acme.zendesk.com\\@evil.example",
        "https://1.2.3.4",
        "https://[::2]",
        "https://[::1",
        "https://[::1%25lo]",
        "ftp://acme.zendesk.com",
        "file:///etc/passwd",
        "javascript://acme.zendesk.com",
        "https://https://acme.zendesk.com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_origin(text)


@pytest.mark.parametrize(
    "text",
    [
        f"https://me:{TOKEN}@acme.zendesk.com",
        f"https://{TOKEN}@acme.zendesk.com",
        f"https://me:{TOKEN}@acme.zendesk.com:port",
        f"me:{TOKEN}@acme.zendesk.com",
        f"https://acme.zendesk.com?token={TOKEN}",
        f"http://{TOKEN}@127.0.0.1:80@evil.example",
    ],
)
def test_an_address_with_a_secret_in_it_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_origin(text)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "text", ["https://@acme.zendesk.com", "https://:@evil.example", "http://127.0.0.1@evil.example"]
)
def test_even_empty_userinfo_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_origin(text)


def _on_this_machine(host: str) -> bool:
    address = ip_address(host)
    return address == ip_address("::1") or address in ip_network("127.0.0.0/8")


@given(st.text(max_size=20) | st.text("a1.:/@[]%\\ \n#?-ſK", max_size=12).map("http://127.0.0.1".__add__))
def test_any_text_is_refused_or_leads_to_a_host_that_was_written(text: str) -> None:
    try:
        origin = parse_origin(text)
    except UsageError:
        return
    parts = urlsplit(origin)
    assert origin == f"{parts.scheme}://{parts.netloc}"
    assert origin.isascii()
    assert parts.scheme == "https" or parts.hostname == "localhost" or _on_this_machine(str(parts.hostname))
    assert str(parts.hostname).removesuffix(".zendesk.com") in text.lower()


@pytest.mark.parametrize(
    ("origin", "name", "loopback"),
    [
        ("https://acme.zendesk.com", "acme", False),
        ("https://support.acme.example", "support.acme.example", False),
        ("https://acme.zendesk.com:8443", "acme.zendesk.com-8443", False),
        ("http://127.0.0.1:8080", "127.0.0.1-8080", True),
        ("http://[::1]:8080", "1-8080", True),
    ],
)
def test_an_account_has_a_name_fit_for_a_file(origin: str, name: str, loopback: bool) -> None:
    account = Account(parse_origin(origin))
    assert (account.name, account.loopback) == (name, loopback)


def test_an_api_token_is_sent_as_basic_authentication_of_its_user() -> None:
    credentials = load_account("acme", API).credentials
    assert isinstance(credentials, ApiToken)
    kind, _, value = credentials.header().partition(" ")
    assert (kind, b64decode(value).decode()) == ("Basic", f"a@b.example/token:{TOKEN}")


def test_an_oauth_token_is_sent_as_bearer() -> None:
    credentials = load_account("acme", OAUTH).credentials
    assert isinstance(credentials, OAuthToken)
    assert credentials.header() == f"Bearer {TOKEN}"


def test_a_token_from_elsewhere_takes_the_place_of_the_variable() -> None:
    found = [load_account("acme", environ, token="other").credentials for environ in (API, OAUTH, {})]
    assert [each.token.reveal() for each in found if isinstance(each, ApiToken | OAuthToken)] == ["other"] * 3
    assert [type(each) for each in found] == [ApiToken, OAuthToken, OAuthToken]


def test_of_two_kinds_the_oauth_token_is_used() -> None:
    assert isinstance(load_account("acme", {**API, **OAUTH}).credentials, OAuthToken)


@pytest.mark.parametrize("text", [f"Bearer {TOKEN}", f"  bearer   {TOKEN}\r\n", f"Authorization: Bearer {TOKEN}"])
def test_a_token_may_be_pasted_with_what_stood_before_it(text: str) -> None:
    credentials = load_account("acme", {"ZENDESK_OAUTH_TOKEN": text}).credentials
    assert isinstance(credentials, OAuthToken)
    assert credentials.header() == f"Bearer {TOKEN}"


def test_what_the_form_of_api_tokens_adds_to_an_address_may_stand_there() -> None:
    credentials = load_account("acme", {**API, "ZENDESK_EMAIL": "a@b.example/token\n"}).credentials
    assert isinstance(credentials, ApiToken)
    assert credentials.email == "a@b.example"


def test_a_sandbox_needs_no_credentials() -> None:
    assert load_account("http://127.0.0.1:1", {}).credentials is None


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"ZENDESK_EMAIL": "a@b.example"},
        {"ZENDESK_API_TOKEN": TOKEN},
        {**API, "ZENDESK_EMAIL": "a.b.example"},
        {**API, "ZENDESK_EMAIL": "a:b@c.example"},
        {**API, "ZENDESK_EMAIL": "a@b.example\nX-Evil: 1"},
        {"ZENDESK_OAUTH_TOKEN": f"{TOKEN}\r\nX-Evil: 1"},
        {"ZENDESK_OAUTH_TOKEN": f"{TOKEN}\0"},
        {"ZENDESK_OAUTH_TOKEN": f"{TOKEN}ü"},
        {"ZENDESK_OAUTH_TOKEN": " "},
    ],
)
def test_credentials_that_cannot_be_right_are_refused_without_repeating_them(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        load_account("acme", environ)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("environ", [API, OAUTH])
def test_a_secret_shows_itself_in_no_text(environ: dict[str, str]) -> None:
    account = load_account("acme", environ)
    assert account.credentials is not None
    secret = account.credentials.token
    texts = [repr(secret), str(secret), f"{secret}", f"{secret!s:>5}", f"{secret!a}"]
    texts.append(logging.LogRecord("", 0, "", 0, "%s %r", (secret, account), None).getMessage())
    texts += [repr(account), str(account), repr(account.credentials), f"{[account]}", json.dumps({"a": repr(account)})]
    assert not any(TOKEN in text or TOKEN[:4] in text for text in texts)


def test_a_secret_shows_itself_in_no_traceback() -> None:
    def fail(account: Account) -> None:
        raise ValueError(account, account.credentials)

    with pytest.raises(ValueError) as caught:
        fail(load_account("acme", OAUTH))
    frame = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[-1]
    assert "***" in str(frame.locals)
    assert TOKEN not in f"{frame.locals} {caught.value!r}"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not to be stored"):
        pickle.dumps(load_account("acme", OAUTH), protocol)


def test_a_secret_cannot_be_copied_into_plain_values() -> None:
    account = load_account("acme", OAUTH)
    for function in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            function(Secret(TOKEN))
    with pytest.raises(TypeError):
        dataclasses.asdict(account)
    with pytest.raises(TypeError):
        vars(Secret(TOKEN))


def test_a_secret_is_stripped_of_the_line_break_a_file_ends_with() -> None:
    assert Secret(f" {TOKEN}\n").reveal() == TOKEN
