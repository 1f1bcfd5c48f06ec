"""Fault cases 1, 3 and 4 in full, by `make soak`: every call of the disk fails once, fails for good, and is the last.

N = 1, 2, 3 … until a run completes untouched, for a folder with sideloads, for one file, and for a compressed one.
The ledger, which alone is written by `pwrite64`, is the same for all three: with the folder and the compressed file it
fails at every seventh of these calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disk_campaign import Bench, Campaign
from tests.support.faulty_disk import CALLS, KINDS, MODES, ONE, Kind, needs_strace

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


@needs_strace
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_at_whichever_call_the_disk_fails_or_the_run_is_killed_the_same_command_completes(
    kind: Kind, call: str, mode: str, bench: Bench, tmp_path: Path, record: Counter[str]
) -> None:
    Campaign(kind, bench, tmp_path, record).every(call, mode, step=7 if call == "pwrite64" and kind is not ONE else 1)
