"""Which proxy is used, and for whom none is."""

from __future__ import annotations

import pytest

from exporter.account import find_proxy
from exporter.errors import UsageError

ACME = "https://acme.zendesk.com"


@pytest.mark.parametrize(
    ("origin", "told", "environ", "address"),
    [
        (ACME, None, {}, None),
        (ACME, None, {"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        (ACME, None, {"https_proxy": "p:3128/"}, "http://p:3128"),
        (ACME, None, {"ALL_PROXY": "http://p"}, "http://p:80"),
        (ACME, None, {"HTTP_PROXY": "http://p:1"}, None),  # that one is for plain HTTP
        (ACME, "http://[::1]:8", {"HTTPS_PROXY": "http://p:3128"}, "http://[::1]:8"),
        (ACME, "off", {"HTTPS_PROXY": "http://p:3128"}, None),
        ("http://127.0.0.1:8080", "http://p:1", {"ALL_PROXY": "http://p:1"}, None),
    ],
)
def test_a_flag_goes_before_the_environment(
    origin: str, told: str | None, environ: dict[str, str], address: str | None
) -> None:
    proxy = find_proxy(origin, told, environ)
    assert (proxy and proxy.address) == address


@pytest.mark.parametrize(
    ("origin", "names", "excepted"),
    [
        (ACME, "*", True),
        (ACME, "zendesk.com", True),
        (ACME, ".zendesk.com", True),
        (ACME, "*.zendesk.com", True),
        (ACME, "a.example, ACME.zendesk.com:443", True),
        (ACME, "acme.zendesk.com:8443", False),
        (ACME, "desk.com", False),
        (ACME, "10.0.0.0/8", False),
        (ACME, " , ,", False),
        ("https://127.0.0.1:1", "127.0.0.0/8", True),
        ("https://[::1]:1", "::1", True),
    ],
)
def test_exceptions_are_names_endings_and_networks(origin: str, names: str, excepted: bool) -> None:
    assert (find_proxy(origin, None, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": names}) is None) == excepted


@pytest.mark.parametrize(
    "text", ["socks5://h:1", "http://", "http://h:port", "http://h:1/path", "http://a b:1", "https://h"]
)
def test_what_is_no_address_of_a_proxy_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(UsageError, match="--proxy is no address of a proxy"):
        find_proxy(ACME, text)


def test_a_login_is_read_unquoted_and_shows_itself_to_nobody() -> None:
    proxy = find_proxy(ACME, "http://jo:p%40ss%3Aword@p:1")
    assert proxy is not None
    assert (proxy.user, proxy.password) == ("jo", "p@ss:word")
    assert "ss" not in repr(proxy).replace("address", "")
