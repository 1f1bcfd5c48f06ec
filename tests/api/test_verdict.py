"""What a response means: by its status first, and never by what its body breaks (faults 10, 13, 20, 24)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from exporter.account import WORDS
from exporter.api.verdict import (
    DEFAULT_HOLD,
    MAX_HOLD,
    Again,
    CursorRefused,
    Final,
    NoPage,
    Ok,
    Quota,
    Verdict,
    read_quota,
    retry_after,
    verdict,
    words,
)
from exporter.errors import AuthError, ContractError, ExportError, UsageError

NOW = datetime(2024, 2, 8, 12, 0, 0, tzinfo=UTC)


def judge(status: int, body: bytes | object = b"", cursor: bool = False, **headers: str) -> Verdict:
    fields = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return verdict(status, fields, raw, sent_cursor=cursor, now=NOW)


def final(found: Verdict) -> ExportError:
    assert isinstance(found, Final)
    return found.error


def test_only_200_and_203_may_be_a_page() -> None:
    assert [status for status in range(100, 600) if judge(status) == Ok()] == [200, 203]


@given(st.integers(100, 999), st.binary(max_size=80), st.booleans(), st.text(max_size=20), st.text(max_size=20))
def test_any_response_has_a_verdict(status: int, body: bytes, cursor: bool, after: str, date: str) -> None:
    found = judge(status, body, cursor, Retry_After=after, Date=date, Location=after, ratelimit_reset=date)
    assert not isinstance(found, Again) or found.after is None or 1 <= found.after <= MAX_HOLD


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524, 599, 408, 409, 425])
@pytest.mark.parametrize("body", [b"upstream request timeout", b"<html>", b"", b'{"status":500}'])
def test_a_failure_of_the_service_may_pass(status: int, body: bytes) -> None:
    assert judge(status, body) == Again(f"HTTP {status}")


def test_a_failure_with_retry_after_waits_so_long() -> None:
    assert judge(503, Retry_After="7") == Again("HTTP 503", 7.0)


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_success_without_a_page_may_pass(status: int) -> None:
    assert judge(status) == NoPage(f"HTTP {status} without a page")


@pytest.mark.parametrize(
    "body",
    [
        b"Number of allowed API requests per minute exceeded",
        b'{"detail":"Rate limited by Zendesk edge protection","status":"429","title":"Automated response"}',
        b"<html>Rate limit for ticket updates exceeded</html>",
        b'{"errors":[{"code":"TooManyRequests"}]}',
        b"\xff{",
        b"",
    ],
)
def test_a_429_of_any_kind_holds_the_account(body: bytes) -> None:
    assert judge(429, body, Retry_After="93") == Again("rate limit", 93.0, hold=True)


def in_seconds(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


RETRY_AFTER = {
    "14": 14.0,
    " 14 ": 14.0,
    "0.2": 1.0,
    "1.5": 1.5,
    "1e9": MAX_HOLD,
    "inf": MAX_HOLD,
    "901": MAX_HOLD,
    in_seconds(30): 30.0,
    in_seconds(99_999_999): MAX_HOLD,
    in_seconds(0.4)[:-4]: None,  # without a zone it means UTC: now
    in_seconds(-5): None,
    "0": None,
    "-3": None,
    "nan": None,
    "": None,
    "soon": None,
    "14, 14": None,
    "Mon, 99 Foo 2024": None,
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT": None,
    "9" * 400: MAX_HOLD,
}


@pytest.mark.parametrize(("value", "seconds"), RETRY_AFTER.items())
def test_retry_after_is_read_or_means_nothing(value: str, seconds: float | None) -> None:
    assert retry_after(CIMultiDict({"retry-after": value}), NOW) == seconds


def test_a_retry_after_date_is_held_against_the_servers_clock() -> None:
    headers = CIMultiDict({"Retry-After": in_seconds(3630), "Date": in_seconds(3600)})
    assert retry_after(headers, NOW) == 30


@pytest.mark.parametrize("date", ["", "soon", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"])
def test_a_date_of_the_server_that_cannot_be_read_is_ours(date: str) -> None:
    assert retry_after(CIMultiDict({"Retry-After": in_seconds(30), "Date": date}), NOW) == 30


@pytest.mark.parametrize("value", [each for each, seconds in RETRY_AFTER.items() if seconds is None])
def test_a_429_without_a_usable_retry_after_waits_for_the_window_to_end(value: str) -> None:
    assert judge(429, Retry_After=value, ratelimit_reset="14") == Again("rate limit", 14.0, hold=True)


@pytest.mark.parametrize(
    ("reset", "seconds"), [("", DEFAULT_HOLD), ("x", DEFAULT_HOLD), ("0", 1.0), ("60", 60.0), ("99999", MAX_HOLD)]
)
def test_a_429_that_says_nothing_waits_a_minute_and_at_a_windows_end_a_second(reset: str, seconds: float) -> None:
    held = judge(429, rate_limit_reset=reset)
    assert isinstance(held, Again)
    assert (held.after, held.hold, held.odd) == (seconds, True, seconds == MAX_HOLD)


def test_a_wait_that_is_cut_short_is_worth_a_warning_which_says_how_long_it_was() -> None:
    held = judge(429, Retry_After="1000000000")
    assert isinstance(held, Again)
    assert (held.after, held.odd) == (MAX_HOLD, True)
    assert "1,000,000,000 s" in held.why


ENVELOPES = {
    b'{"error":"Couldn\'t authenticate you"}': "Couldn't authenticate you",
    b'{"error":"invalid_token","error_description":"The token is expired"}': "invalid_token: The token is expired",
    b'{"error":{"title":"Forbidden","message":"You do not have access"}}': "Forbidden: You do not have access",
    b'{"error":"RecordNotFound","description":"Not found"}': "RecordNotFound: Not found",
    b'{"errors":[{"code":"X","title":"page[after] is not valid"}]}': "page[after] is not valid",
    b'{"errors":[{"title":"a","detail":"b"},{"title":"c"}]}': "a: b; c",
    b'{"status":500,"error":"Internal Server Error"}': "Internal Server Error",
    b'"just text"': "just text",
    b"<html><body>No <b>help desk</b>\n here</body></html>": "No help desk here",
    b"plain text": "plain text",
    b'{"error":"caf\xe9"}': '{"error":"caf\ufffd"}',
    b"": "no reason given",
    b"{}": "no reason given",
    b"null": "no reason given",
    b"[1,2]": "no reason given",
}


@pytest.mark.parametrize(("body", "said"), ENVELOPES.items())
def test_words_are_found_in_any_envelope(body: bytes, said: str) -> None:
    assert words(body) == said


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: json.dumps({"error": {"title": text, "message": text}}).encode())
    | st.text(max_size=300).map(str.encode)
)
def test_words_are_short_and_hold_no_control_characters(body: bytes) -> None:
    found = words(body)
    assert found.isprintable()
    assert 0 < len(found) <= WORDS


@pytest.mark.parametrize(
    "hostile", ["\x1b[31m", "\x1b]0;title\x07", "\u202e", "\x9b31m", "\r\n", "\0", "\u2066", "\ufeff"]
)
def test_a_terminal_is_not_spoken_to_by_a_server(hostile: str) -> None:
    for body in (f"a{hostile}b".encode(), json.dumps({"error": f"a{hostile}b"}).encode()):
        assert words(body).isprintable()


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "body",
    [
        b'{"error":' * 600 + b"1" + b"}" * 600,
        b"[" * 400 + b"]" * 400,
        b'{"error":' * 100_000,
        b'{"error":%s}' % (b"9" * 5000),
        b'{"error":"%s"}' % (b"x" * 20_000_000),
        b"<" * 10_000_000,
    ],
    ids=["deep", "deep lists", "endless", "digits", "long", "brackets"],
)
def test_no_body_is_too_odd_to_be_put_into_words(body: bytes) -> None:
    assert len(words(body)) <= WORDS


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(("body", "said"), ENVELOPES.items())
def test_refused_credentials_are_final_and_told_in_the_servers_words(status: int, body: bytes, said: str) -> None:
    error = final(judge(status, body))
    assert isinstance(error, AuthError)
    assert said in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_final_and_its_target_is_told_without_its_query(status: int) -> None:
    error = final(judge(status, Location="https://evil.example/x\x1b[31m\n?token=abc"))
    assert isinstance(error, AuthError)
    assert "https://evil.example/x[31m)" in str(error)


def test_an_account_that_is_not_there_is_told_as_such() -> None:
    error = final(judge(404, {"error": {"title": "No help desk at x.zendesk.com", "message": "claim it"}}))
    assert isinstance(error, UsageError)


def test_another_404_is_a_breach_of_contract() -> None:
    assert isinstance(final(judge(404, {"error": "InvalidEndpoint", "description": "Not found"})), ContractError)


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("cursor", ["page[after]", "page[before]"])
@pytest.mark.parametrize("form", ["errors", "error"])
def test_a_refused_cursor_is_no_end(status: int, cursor: str, form: str) -> None:
    said = f"{cursor} is not valid"
    code = "InvalidPaginationParameter"
    body = {"errors": [{"code": code, "title": said}]} if form == "errors" else {"error": code, "description": said}
    found = judge(status, body, cursor=True)
    assert isinstance(found, CursorRefused)
    assert said in found.said


@pytest.mark.parametrize("body", [b"", b"<html>Bad Request</html>", {"error": {"title": "Invalid attribute"}}])
def test_a_refusal_that_names_no_other_parameter_is_taken_for_one_of_the_cursor(body: object) -> None:
    assert isinstance(judge(400, body, cursor=True), CursorRefused)


@pytest.mark.parametrize(
    ("body", "cursor"),
    [
        ({"errors": [{"code": "InvalidPaginationParameter", "title": "page[after] is not valid"}]}, False),
        ({"error": "InvalidPaginationParameter", "description": "sort is not valid"}, True),
        ({"errors": [{"title": "Offset Pagination is limited to 10000 records (page * per_page)"}]}, True),
        ({"error": {"title": "Invalid attribute", "message": "You passed an invalid value"}}, False),
        ({"errors": [{"code": "InvalidPaginationParameter", "title": "page[size] is not valid"}]}, True),
    ],
)
def test_another_refused_query_is_the_users_to_mend(body: object, cursor: bool) -> None:
    assert isinstance(final(judge(400, body, cursor)), UsageError)


@pytest.mark.parametrize("status", [100, 405, 406, 410, 413, 414, 418, 451])
def test_any_other_status_is_a_breach_of_contract(status: int) -> None:
    assert isinstance(final(judge(status)), ContractError)


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        ({"ratelimit-limit": "700", "ratelimit-remaining": "600", "ratelimit-reset": "14"}, Quota(700, 600, 14)),
        ({"RateLimit-Limit": "700", "RATELIMIT-RESET": "0"}, Quota(700, None, 0)),
        ({"x-rate-limit": "700", "x-rate-limit-remaining": "0"}, Quota(700, 0, None)),
        ({"rate-limit": "700", "rate-limit-remaining": "5", "rate-limit-reset": "14"}, Quota(700, 5, 14)),
        ({"x-rate-limit": "700", "ratelimit-limit": "400", "ratelimit-remaining": "9"}, Quota(400, 9, None)),
        ({"zendesk-ratelimit-users-index": "total=100; remaining=99; resets=43"}, Quota(100, 99, 43)),
        ({"Zendesk-Rate-Limit-users": "total=10;remaining=0;resets=2", "x-rate-limit": "700"}, Quota(10, 0, 2)),
        ({"ratelimit-limit": "0"}, Quota()),
        ({"ratelimit-limit": "many", "ratelimit-remaining": "-1", "ratelimit-reset": "1.5"}, Quota()),
        ({"ratelimit-limit": "²", "ratelimit-reset": "1700000000"}, Quota()),
        ({"zendesk-ratelimit-x": "total=" + "9" * 5000 + "; remaining=x; subtotal=5"}, Quota()),
        ({}, Quota()),
    ],
)
def test_the_budget_is_read_in_any_spelling(headers: dict[str, str], quota: Quota) -> None:
    assert read_quota(CIMultiDict(headers)) == quota


@given(
    st.dictionaries(st.sampled_from(["ratelimit-reset", "x-rate-limit", "zendesk-ratelimit-a"]), st.text(max_size=40))
)
def test_no_header_is_too_odd_for_a_budget(headers: dict[str, str]) -> None:
    read_quota(CIMultiDict(headers))
