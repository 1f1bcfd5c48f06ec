"""A manifest's evidence in words, whichever version wrote it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.proof.evidence import evidence

SWEEP = {"ran": True, "closed": True, "by": "sort=-updated_at", "candidates": 5, "missing": 1, "changed": 2}


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({}, []),
        ({"proof": None, "sweep": []}, []),
        ({"proof": {"overlap": True, "pages_overlapped": 79, "ends_confirmed": 3, "asked_again": 0}},
         ["79 pages began with the last user of the one before", "3 ends of a stream said twice"]),
        ({"proof": {"asked_again": 1}}, ["1 answer that contradicted what was known, asked for again"]),
        ({"proof": {"from_a_later_version": 2}}, ["2 from a later version"]),
        ({"proof": {"overlap": False}},
         ["pages were not made to overlap (--no-overlap): that they touch rests on the account's cursors alone"]),
        ({"proof": {"counts": {"agent": {"start": 1200, "end": 1199, "written": 1199}, "admin": 3}}},
         ["users of agent: the account counted 1,200 at the start, 1,199 at the end; 1,199 were written"]),
        ({"sweep": SWEEP},
         ["who changed meanwhile was looked for by sort=-updated_at, to the end: 5 seen, 1 added, 2 renewed"]),
        ({"sweep": SWEEP | {"closed": False, "why": "both refused"}},
         ["who changed meanwhile may be missing: both refused"]),
        ({"sweep": {"ran": False, "why": "not for this query"}},
         ["no look for who changed meanwhile: not for this query"]),
    ],
)  # fmt: skip
def test_what_is_there_is_said_and_nothing_else(manifest: dict[str, Any], said: list[str]) -> None:
    assert evidence(manifest) == said


_ANY = st.none() | st.booleans() | st.integers() | st.text()
_JSON = st.recursive(_ANY, lambda each: st.dictionaries(st.text(), each))
_PROOF = st.fixed_dictionaries({"counts": _JSON, "seams_met": _JSON}) | _JSON
_SWEEP = st.dictionaries(st.sampled_from(["ran", "closed", "candidates", "by", "why"]), _JSON)


@given(_PROOF, _SWEEP)
def test_no_manifest_is_too_odd(proof: Any, sweep: Any) -> None:
    assert all(isinstance(line, str) for line in evidence({"proof": proof, "sweep": sweep}))
