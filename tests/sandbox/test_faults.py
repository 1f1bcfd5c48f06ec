"""The script of faults, and the rate limit: both without a clock or a network."""

from __future__ import annotations

import json

import pytest

from exporter.sandbox.endpoint.answers import Answer, Delivery
from exporter.sandbox.endpoint.endpoint import Request
from exporter.sandbox.faults import script as faults
from exporter.sandbox.faults.kinds import Asked
from exporter.sandbox.faults.script import KINDS, parse, strike
from exporter.sandbox.server.limits import FixedWindow

HONEST = Answer(b"honest")
ASKED = Asked(Request("/api/v2/users"), lambda _: HONEST, "http://127.0.0.1:1", lambda: 1_800_000_000)


def struck(*rules: str, requests: int = 30, seed: int = 1) -> list[int]:
    """Return the numbers of the requests that a script strikes."""
    script = tuple(map(parse, rules))
    numbers = range(1, requests + 1)
    return [number for number in numbers if strike(script, seed, number, ASKED)[0] is not None]


def answer(kind: str) -> Answer:
    """Return the answer that a kind of fault makes."""
    return strike((parse(f"{kind}@n:1"),), 1, 1, ASKED)[1]


@pytest.mark.parametrize(
    ("when", "numbers"),
    [
        ("n:5", [5]),
        ("n:5,9,12", [5, 9, 12]),
        ("every:10", [10, 20, 30]),
        ("first:3", [1, 2, 3]),
        ("from:28", [28, 29, 30]),
        ("p:0", []),
        ("p:1", list(range(1, 31))),
    ],
)
def test_a_rule_strikes_the_requests_it_names(when: str, numbers: list[int]) -> None:
    assert struck(f"500@{when}") == numbers


def test_chance_strikes_its_share_of_the_requests() -> None:
    assert 900 < len(struck("500@p:0.1", requests=10_000)) < 1_100


def test_chance_strikes_the_same_requests_again_for_the_same_seed() -> None:
    assert struck("500@p:0.1") == struck("500@p:0.1") != struck("500@p:0.1", seed=2)


def test_two_rules_of_chance_strike_each_for_itself() -> None:
    both = struck("500@p:0.1", "502@p:0.1", requests=1_000)
    assert len(both) > len(struck("500@p:0.1", requests=1_000)) * 1.5


def test_of_two_rules_the_first_one_strikes() -> None:
    script = parse("502@n:1"), parse("500@from:1")
    assert [strike(script, 1, number, ASKED)[1].status for number in (1, 2)] == [502, 500]


def test_whom_no_rule_strikes_gets_the_honest_answer() -> None:
    assert strike((parse("500@n:2"),), 1, 1, ASKED) == (None, HONEST)


@pytest.mark.parametrize("kind", ["401", "403", "429", "429-bare", "429-edge", "500", "502", "503", "504"])
def test_a_kind_that_is_a_status_has_it(kind: str) -> None:
    assert answer(kind).status == int(kind[:3])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_makes_an_answer(kind: str) -> None:
    assert isinstance(answer(kind), Answer)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_in_the_table(kind: str) -> None:
    assert f"`{kind}`" in (faults.__doc__ or "")


def test_a_429_is_plain_text_with_the_seconds_to_wait() -> None:
    assert answer("429:30").headers == {"retry-after": "30"}
    assert answer("429:30").body == b"Number of allowed API requests per minute exceeded"
    assert answer("429:30").content_type.startswith("text/plain")


@pytest.mark.parametrize("kind", ["429-bare", "429-edge", "503"])
def test_some_kinds_do_not_say_how_long_to_wait(kind: str) -> None:
    assert answer(kind).headers == {}


def test_the_429_of_the_edge_is_json() -> None:
    content = json.loads(answer("429-edge").body)
    assert content["detail"] == "Rate limited by Zendesk edge protection"
    assert content["status"] == "429"


def test_a_503_says_how_long_to_wait_if_told_to() -> None:
    assert answer("503:7").headers == {"retry-after": "7"}


def test_a_500_is_json() -> None:
    assert answer("500").body == b'{"status":500,"error":"Internal Server Error"}'


def test_html_comes_with_status_200() -> None:
    assert answer("html").status == 200
    assert answer("html").content_type.startswith("text/html")


def test_what_is_truncated_is_the_honest_answer() -> None:
    assert answer("truncate") == Answer(b"honest", delivery=Delivery.TRUNCATED)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("500", "say when"),
        ("500@", "say when"),
        ("500@sometimes", "say when"),
        ("500@n:", "say when"),
        ("500@n:x", "say when"),
        ("500@every:0", "say when"),
        ("500@p:1.5", "say when"),
        ("500@p:nan", "say when"),
        ("@n:1", "no fault is called ''"),
        ("501@n:1", "no fault is called '501'"),
        ("500:3@n:1", "'500:3': write 500$"),
        ("429:soon@n:1", r"'429:soon': write 429\[:SECONDS\]$"),
        ("drip:0@n:1", r"write drip\[:BYTES\]$"),
        ("redirect:304@n:1", r"write redirect\[:301\|302\|303\|307\|308\]$"),
    ],
)
def test_a_rule_that_is_none_is_refused_in_words(rule: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(rule)


class Clock:
    """Time, moved by hand."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def taken(window: FixedWindow, times: int) -> list[bool]:
    """Take permits; tell which were granted."""
    return [permit is None or permit.granted for permit in (window.take() for _ in range(times))]


def test_a_window_grants_its_limit_and_no_more() -> None:
    assert taken(FixedWindow(3, 60, Clock()), 5) == [True, True, True, False, False]


def test_the_next_window_grants_again() -> None:
    clock = Clock()
    window = FixedWindow(3, 60, clock)
    taken(window, 5)
    clock.now += 59.9
    assert taken(window, 1) == [False]
    clock.now += 0.1
    assert taken(window, 4) == [True, True, True, False]


def test_windows_are_fixed_whenever_requests_come() -> None:
    clock = Clock()
    window = FixedWindow(1, 60, clock)
    clock.now += 59
    assert taken(window, 1) == [True]
    clock.now += 1
    assert taken(window, 1) == [True]


@pytest.mark.parametrize(("elapsed", "reset"), [(0.0, 60), (0.5, 60), (46.2, 14), (59.99, 1)])
def test_who_waits_until_reset_is_in_the_next_window(elapsed: float, reset: int) -> None:
    clock = Clock()
    window = FixedWindow(1, 60, clock)
    clock.now += elapsed
    permit = window.take()
    assert permit is not None
    assert permit.reset == reset
    clock.now += reset
    assert taken(window, 1) == [True]


def test_the_headers_tell_limit_rest_and_reset() -> None:
    permit = FixedWindow(700, 60, Clock()).take()
    assert permit is not None
    assert permit.headers(first_spelling=False) == {
        "ratelimit-limit": "700",
        "ratelimit-remaining": "699",
        "ratelimit-reset": "60",
        "x-rate-limit": "700",
        "x-rate-limit-remaining": "699",
    }


def test_the_headers_were_spelt_otherwise_at_first() -> None:
    permit = FixedWindow(700, 60, Clock()).take()
    assert permit is not None
    assert list(permit.headers(first_spelling=True)) == [
        "rate-limit",
        "rate-limit-remaining",
        "rate-limit-reset",
        "x-rate-limit",
        "x-rate-limit-remaining",
    ]


def test_remaining_is_never_negative() -> None:
    window = FixedWindow(1, 60, Clock())
    taken(window, 3)
    permit = window.take()
    assert permit is not None
    assert permit.remaining == 0


def test_without_a_limit_requests_are_counted_all_the_same() -> None:
    clock = Clock()
    window = FixedWindow(None, 60, clock)
    assert taken(window, 3) == [True] * 3
    clock.now += 60
    assert taken(window, 2) == [True] * 2
    assert window.most == 3
