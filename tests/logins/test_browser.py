"""The login by a browser: what comes to the port, who it is from, and what the page shows."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from exporter.errors import AuthError, UsageError
from exporter.logins import PORTS, Browsing, landing, redirect_url
from tests.support.stored_login import only_we_land

ORIGIN = "https://acme.zendesk.com"


def browsing(redirect: str = redirect_url(PORTS[0])) -> Browsing:
    return Browsing(ORIGIN, "desk", redirect, "read")


@pytest.fixture(autouse=True)
def ports() -> Iterator[None]:
    """Have the three ports, which are the same for all tests at once."""
    with only_we_land():
        yield


def get(address: str) -> tuple[int, str]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_the_address_holds_the_challenge_and_no_verifier() -> None:
    ours = browsing()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(ours.address).query).items()}
    digest = hashlib.sha256(ours.verifier.encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert asked["redirect_uri"] == "http://127.0.0.1:22147/zexport"
    assert 43 <= len(ours.verifier) <= 128  # RFC 7636
    assert ours.verifier not in ours.address
    assert ours.verifier not in repr(ours)
    assert ours.state not in repr(ours)


def test_only_the_state_of_this_login_is_taken() -> None:
    ours = browsing()
    assert ours.read(f"{ours.redirect}?code=c&state={ours.state}") == "c"
    assert ours.read(f"{ours.redirect}?code=c&state={browsing().state}") is None
    assert ours.read(f"{ours.redirect}?code=c") is None
    assert ours.read("no address") is None
    assert ours.read("http://[") is None
    with pytest.raises(AuthError, match="refused: because"):
        ours.read(f"{ours.redirect}?error=access_denied&error_description=because&state={ours.state}")


def test_others_get_404_and_the_right_one_is_waited_for() -> None:
    with landing() as there:
        ours = browsing(there.redirect)
        there.browsing = ours
        with socket.create_connection(("127.0.0.1", urlsplit(there.redirect).port)):  # opened ahead, and never used
            assert get(f"{there.redirect}?code=c&state=wrong")[0] == 404
            assert get(there.redirect.replace("/zexport", "/favicon.ico"))[0] == 404
            status, page = get(f"{there.redirect}?code=c0de&state={ours.state}")
            assert (status, "Allowed" in page) == (200, True)
            assert ours.state not in page
            assert there.wait(ours, 10) == "c0de"


def test_the_page_escapes_what_it_repeats() -> None:
    with landing() as there:
        ours = browsing(there.redirect)
        there.browsing = ours
        said = urlencode({"error": "x", "error_description": "<script>alert(1)</script>", "state": ours.state})
        _, page = get(f"{there.redirect}?{said}")
        assert "&lt;script&gt;" in page
        assert not re.search("<script", page)
        with pytest.raises(AuthError, match="refused"):
            there.wait(ours, 10)


def test_a_port_that_is_taken_is_passed_over_and_no_port_is_an_error() -> None:
    with landing() as first, landing() as second, landing() as third:
        assert len({first.redirect, second.redirect, third.redirect}) == 3
        with pytest.raises(UsageError, match="all taken") as caught, landing():
            pass
        assert "--no-browser" in caught.value.hint


def test_nobody_who_comes_is_told_what_to_check() -> None:
    with landing() as there, pytest.raises(AuthError, match="no browser came back") as caught:
        there.wait(browsing(there.redirect), 0.01)
    assert there.redirect in caught.value.hint
    assert "'desk'" in caught.value.hint


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    with landing():
        pass
    assert threading.active_count() <= before
