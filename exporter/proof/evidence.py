"""What a manifest keeps as evidence that nobody is missing, in words. Pure.

Manifests are read that older and newer versions wrote: what is not there is not spoken of, and a count whose name is
not known here is told by that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_COUNTED = {
    "pages_overlapped": ("page", "began with the last user of the one before"),
    "ends_confirmed": ("end", "of a stream said twice"),
    "looks_between": ("look", "at who is between two users"),
    "asked_again": ("answer", "that contradicted what was known, asked for again"),
    "repeats_dropped": ("user", "who came twice in a row, written once"),
    "short_pages": ("page", "shorter than asked for, and the same when asked for again"),
    "empty_pages": ("page", "empty where somebody was expected, each time"),
    "odd_cursors": ("page", "with another cursor than its users have"),
    "pages_without_cursors": ("page", "without a cursor"),
}
"""What is counted: the noun, which takes an s, and what is said of it."""


_WHEN = {"start": "at the start", "end": "at the end"}


def evidence(manifest: Mapping[str, Any]) -> list[str]:
    """Return the evidence of an export, one fact each; nothing for a manifest that keeps none."""
    proof, sweep = _mapping(manifest.get("proof")), _mapping(manifest.get("sweep"))
    return [*_walked(proof), *_against_counts(_mapping(proof.get("counts"))), *_swept(sweep)]


def _walked(proof: Mapping[str, Any]) -> Iterator[str]:
    for name in [*filter(proof.__contains__, _COUNTED), *(name for name in proof if name not in _COUNTED)]:
        number = proof[name]
        if isinstance(number, int) and not isinstance(number, bool) and number:
            noun, said = _COUNTED.get(name, ("", _plain(name)))
            yield " ".join(filter(None, (f"{number:,}", noun and noun + "s" * (number != 1), said)))
    if proof.get("overlap") is False:
        yield "pages were not made to overlap (--no-overlap): that they touch rests on the account's cursors alone"


def _against_counts(counts: Mapping[str, Any]) -> Iterator[str]:
    for role, numbers in counts.items():
        told = [f"{number:,} {when}" for name, when in _WHEN.items() if (number := _counted(numbers, name)) is not None]
        written = _counted(numbers, "written")
        if told and written is not None:
            yield f"users of {role}: the account counted {', '.join(told)}; {written:,} were written"


def _counted(numbers: Any, name: str) -> int | None:
    number = _mapping(numbers).get(name)
    return number if isinstance(number, int) else None


def _swept(sweep: Mapping[str, Any]) -> Iterator[str]:
    if sweep.get("ran") is False:
        yield f"no look for who changed meanwhile: {sweep.get('why') or 'not asked for'}"
    elif sweep.get("closed"):
        seen, added, renewed = (_number(sweep.get(name)) for name in ("candidates", "missing", "changed"))
        by = str(sweep.get("by") or "a sweep").partition(" (")[0]
        what = f"{seen:,} seen, {added:,} added, {renewed:,} renewed"
        yield f"who changed meanwhile was looked for by {by}, to the end: {what}"
    elif sweep:
        yield f"who changed meanwhile may be missing: {sweep.get('why') or 'the look for them came to no end'}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
