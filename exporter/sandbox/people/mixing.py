"""One number out of another, alike on every machine and in every version of Python.

`random` and `hash` promise no such thing, and an account has to be the same account wherever it is served.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / the golden ratio: multiples of it spread evenly


def mix(number: int) -> int:
    """Make 64 bits that look random out of any whole number (the finaliser of splitmix64)."""
    bits = (number + _GOLDEN) & _MASK
    bits = ((bits ^ bits >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ bits >> 27) * 0x94D049BB133111EB) & _MASK
    return bits ^ bits >> 31


def chance(number: int, salt: int) -> float:
    """Draw from [0, 1), the `number`-th draw of the sequence named `salt`."""
    return mix(mix(salt) ^ number) / 2.0**64
