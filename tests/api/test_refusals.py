"""Refusals that say what they are about, which is not always the credentials."""

from __future__ import annotations

import pytest

from exporter.errors import AuthError, UsageError
from tests.api.test_verdict import final, judge

REFUSALS = {
    "blocked": (
        403,
        b"<html><style>p{}</style><script>x()</script><p>Sorry, you are blocked",
        "in front of the account",
    ),
    "address": (403, {"error": "IP address is not allowed"}, "does not let this machine's address in"),
    "suspended": (402, {"error": "Account suspended"}, "the account is suspended"),
    "ended": (401, {"error": "invalid_token"}, "invalid_token"),
}


@pytest.mark.parametrize(("status", "body", "said"), REFUSALS.values(), ids=REFUSALS)
def test_what_a_refusal_is_about_is_told(status: int, body: object, said: str) -> None:
    error = final(judge(status, body))
    assert isinstance(error, AuthError)
    assert said in str(error)
    assert "x()" not in str(error)
    assert error.hint


def test_api_tokens_that_are_refused_bring_their_dates() -> None:
    assert "2027-04-30" in final(judge(401, {"error": "Couldn't authenticate you"})).hint


def test_a_help_desk_that_is_not_there_is_told_as_html_too() -> None:
    body = b"<html><style>help{}</style><h1>No help desk at x.zendesk.com</h1></html>"
    assert isinstance(final(judge(404, body)), UsageError)
