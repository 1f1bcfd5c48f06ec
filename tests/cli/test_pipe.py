"""A reader of our stdout that prints to the same terminal: what it prints stays, whatever is shown of the progress."""

from __future__ import annotations

import io
import shlex
from dataclasses import replace

import pytest
from rich.cells import cell_len

from exporter.cli.terminal import OneLineView
from tests.support.pseudo_terminal import at_a_terminal
from tests.support.sandbox_process import SandboxProcess
from tests.support.terminal_screen import FINISHED, PROGRESS, STARTED, Gone, screen
from tests.support.zexport_process import COMMAND, expected_lines


@pytest.mark.parametrize("columns", [80, 50])
def test_no_line_that_a_reader_prints_is_painted_over(columns: int) -> None:
    with SandboxProcess("--users", "2000", "--rate-limit", "off", "--latency", "30ms") as sandbox:
        run = f"{shlex.join(COMMAND)} run {sandbox.url} -o - --rate 600"
        written = at_a_terminal(f"{run} | jq --unbuffered -c '[.id]' | head -300", columns)
    assert "\x1b[1A" not in written
    there = [line for line in screen(written) if line]
    ids = [f"[{line.split(b',', 1)[0].rpartition(b':')[2].decode()}]" for line in expected_lines(2000)]
    printed = [each for line in there for each in ids if line.endswith(each)]
    assert len(printed) == len(set(printed)) == 300
    assert " users · " in written


def test_the_line_is_rewritten_in_place_fits_and_is_cleared_in_the_end() -> None:
    stream = io.StringIO()
    with OneLineView(stream, lambda: 40) as view:
        view(STARTED)
        view(PROGRESS)
        view(replace(PROGRESS, waiting=9.0, why="李" * 90))
        (line,) = screen(stream.getvalue())
        assert 30 < cell_len(line) < 40
        view(FINISHED)
    assert screen(stream.getvalue()) == [""]
    assert "\n" not in stream.getvalue()


def test_a_terminal_that_is_gone_ends_nothing() -> None:
    with OneLineView(Gone(), lambda: 80) as view:
        view(PROGRESS)
        view(PROGRESS)
