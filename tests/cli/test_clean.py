"""Texts from elsewhere, cleaned; and numbers in the form people read them in."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.cli.clean import clean
from exporter.cli.figures import duration, fraction, percent, size


@given(st.text(alphabet=st.characters()) | st.text(alphabet="\x1b[]\x9b\x9d\x9c\x07\\;0m\u202e\u200d\r\n\ud800a"))
@example("\x1b\x1b[31m[31m")
@example("\x1b]0;never terminated")
def test_nothing_unseen_survives_cleaning(text: str) -> None:
    cleaned = clean(text, limit=20)
    assert not {unicodedata.category(c) for c in cleaned} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert len(cleaned) <= 20
    assert clean(cleaned, limit=20) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("José 李 Ωmega 👍 – it's [bold]fine[/bold]", "José 李 Ωmega 👍 – it's [bold]fine[/bold]"),
        ("a\r\nb\nc\td\u2028e", "a b c d e"),
        ("\x1b[1;31mred\x1b[0m \x9b2Jc1", "red c1"),
        ("\x1b]0;title\x07x \x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\ \x9d52;c;aGk=\x9cy", "x link y"),
        ("\x1b]0;never terminated", "0;never terminated"),
        ("gpj\u202eexe.\u200b\u2066x\u2069\ufeff\xad\u3164", "gpjexe.x"),
        ("a\x00\x07\x08\x7fb", "ab"),
        ("\udc80 \ue000", "\ufffd \ufffd"),
        ("x" * 201, "x" * 199 + "…"),
        ("x" * 200, "x" * 200),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize("hostile", ["\x1b]", "\x9d", "\x1b[", "\x1b", "\x1b[0;"])
def test_cleaning_takes_linear_time(hostile: str) -> None:
    began = time.process_time()
    clean(hostile * 100_000)
    assert time.process_time() - began < 1.0


def test_figures() -> None:
    times = (0.2, 45, 200, 3599.6, 3900, 86_399, 180_000)
    assert [duration(s) for s in times] == ["<1s", "45s", "3m 20s", "1h 00m", "1h 05m", "23h 59m", "2d 02h"]
    sizes = (0, 1, 999, 1000, 999_949, 999_950, 24_912_000, 3 * 10**9, 2 * 10**15)
    texts = ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "24.9 MB", "3.0 GB", "2,000.0 TB"]
    assert [size(count) for count in sizes] == texts


def test_a_hundred_percent_is_said_only_of_what_is_finished() -> None:
    assert percent(fraction(999, 1000, finished=False)) == "99 %"
    assert percent(fraction(1000, 1000, finished=False)) == "99 %"
    assert percent(fraction(900, 1000, finished=True)) == "100 %"


def test_an_estimate_that_proved_too_low_tells_nothing() -> None:
    assert fraction(1001, 1000, finished=False) is None
    assert fraction(1001, None, finished=False) is None
    assert fraction(0, 0, finished=False) is None
