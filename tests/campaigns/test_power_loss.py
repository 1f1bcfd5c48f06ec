"""Fault case 2: the power goes at any moment of a run, and the same command completes what it left.

Unsynced data is lost, torn or reordered, and so are names (`power_loss`); the real command goes on from each state.
What is left between the renaming of the files, the manifest and the ledger's last word is among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exporter
from tests.support.disk_campaign import Bench, claimed, complete_again, not_called_complete, written
from tests.support.faulty_disk import GZIP, INCLUDE, ONE, Fault, Kind, Outcome, needs_strace, traced
from tests.support.power_loss import STYLES, Recording, lose_power, record_run

pytestmark = [needs_strace, pytest.mark.timeout(180)]

RESTART = Kind("restart", "out", ("--restart",))
STORIES = {
    "first": ONE,
    "sideloads": INCLUDE,
    "compressed": GZIP,
    "resumed": INCLUDE,
    "resumed after a failed sync": ONE,
    "restart": RESTART,
}

KILL, FAILED_SYNC = Fault("write", "kill", 5, "data"), Fault("fdatasync", "once", 1, "data")


class Losses:
    """Runs that were recorded, one of each story, and what is left of them."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._bench, self._folder = bench, folder
        self._recordings: dict[str, Recording] = {}

    def recording(self, story: str) -> Recording:
        """Return the record of a run: the first, one after a kill or a sync that failed, or one with --restart."""
        if story not in self._recordings:
            kind, home = STORIES[story], self._folder / story
            home.mkdir()
            before: Outcome | None = None
            if story.startswith("resumed"):
                before = traced(
                    self._bench.forks, kind, self._bench.url, home, FAILED_SYNC if "sync" in story else KILL
                )
                assert before.code == (6 if "sync" in story else -9), before.said
                (home / "strace.log").unlink()
            elif story == "restart":
                assert self._bench.forks.run(*kind.command(self._bench.url, home)).code == 0
            recording = self._recordings[story] = record_run(self._bench.forks, kind, self._bench.url, home)
            if "sync" in story and before is not None:
                recording.forget(before.synced())
        return self._recordings[story]

    def survive(self, story: str, moment: int, style: str, seed: int, record: Counter[str]) -> None:
        """Lose the power, and run the command again: all is there once, and all that the ledger called synced stays."""
        kind, what = STORIES[story], f"power loss in {story} behind {moment}, {style} {seed}"
        with TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            lose_power(self.recording(story), moment, style, seed, folder)
            assert not_called_complete(kind, folder), what
            manifests = [path for path in kind.paths(folder)["manifest"] if path.suffix == ".json"]
            if kind is not RESTART and any(path.exists() for path in manifests):  # that of a first run comes last
                assert exporter.verify(folder / kind.output).problems == [], what
            sizes = {} if kind is RESTART else claimed(kind, folder)
            kept = {each: written(folder / each)[: sizes.get(Path(each).name, 0)] for each in kind.files}
            record["power losses"] += 1
            complete_again(kind, self._bench, folder, what, record, {}, kept)


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Losses]:
    with Bench() as bench:
        yield Losses(bench, tmp_path_factory.mktemp("losses"))


def _lose_it(losses: Losses, story: str, data: st.DataObject, record: Counter[str]) -> None:
    recording = losses.recording(story)
    moment = data.draw(st.integers(0, len(recording.changes)) | st.sampled_from(recording.moments))
    losses.survive(story, moment, data.draw(st.sampled_from(STYLES)), data.draw(st.integers(0, 2**32)), record)


@pytest.mark.parametrize("story", STORIES)
@given(data=st.data())
@settings(deadline=None, max_examples=3, derandomize=True, suppress_health_check=list(HealthCheck))
def test_whatever_a_power_loss_leaves_the_same_command_completes_it(
    story: str, losses: Losses, record: Counter[str], data: st.DataObject
) -> None:
    _lose_it(losses, story, data, record)


# The last moments: from the first file that has its final name to the ledger that knows of the end.
@pytest.mark.parametrize("style", ["nothing", "all"])
def test_a_power_loss_between_the_renaming_of_the_files_and_the_end_of_the_ledger_loses_nobody(
    style: str, losses: Losses, record: Counter[str]
) -> None:
    changes = losses.recording("sideloads").changes
    renamed = [number for number, each in enumerate(changes, 1) if each.to.endswith(".ndjson")]
    manifest = next(number for number, each in enumerate(changes, 1) if each.to.endswith("manifest.json"))
    for moment in (renamed[1], manifest - 1, manifest, len(changes)):
        losses.survive("sideloads", moment, style, 0, record)


# A line that the ledger has noted, and that the disk has torn, is not believed: its CRC differs.
def test_a_line_that_a_power_loss_has_torn_is_never_believed(losses: Losses, record: Counter[str]) -> None:
    recording = losses.recording("first")
    data = [n for n, each in enumerate(recording.changes, 1) if each.what == "write" and recording.is_data(each.file)]
    for seed, moment in enumerate(data[1::2]):
        losses.survive("first", moment + 1, "torn data", seed, record)


# What a failed sync has left in memory alone is written once more, not just synced again: that would bring nothing.
def test_what_a_failed_sync_did_not_bring_to_the_disk_is_written_again(losses: Losses, record: Counter[str]) -> None:
    recording = losses.recording("resumed after a failed sync")
    synced = [n for n, each in enumerate(recording.changes, 1) if each.what == "sync" and recording.is_data(each.file)]
    for moment in (synced[0], synced[-1], len(recording.changes)):
        losses.survive("resumed after a failed sync", moment, "nothing", 0, record)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("story", STORIES)
@given(data=st.data())
@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
def test_hundreds_of_power_losses_lose_and_repeat_nobody(
    story: str, losses: Losses, record: Counter[str], data: st.DataObject
) -> None:
    _lose_it(losses, story, data, record)
