"""When a fault strikes: the second half of a rule, see `script`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from exporter.sandbox.people.mixing import chance

Strikes: TypeAlias = Callable[[int, int], bool]
"""Tells by the seed and the number of a request whether it is struck."""


def _probability(value: str) -> Strikes:
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError("a probability is between 0 and 1")
    return lambda seed, number: chance(number, seed) < share


def _numbers(value: str) -> Strikes:
    numbers = frozenset(map(int, value.split(",")))
    return lambda _, number: number in numbers


def _every(value: str) -> Strikes:
    step = int(value)
    if step < 1:
        raise ValueError("at least every request")
    return lambda _, number: number % step == 0


def _first(value: str) -> Strikes:
    last = int(value)
    return lambda _, number: number <= last


def _from(value: str) -> Strikes:
    first = int(value)
    return lambda _, number: number >= first


WHENS: dict[str, Callable[[str], Strikes]] = {
    "p": _probability,
    "n": _numbers,
    "every": _every,
    "first": _first,
    "from": _from,
}
"""Every way to say when, by its name."""
LASTING = ("p", "from")
"""Those that never come to an end."""
