"""Help that fits a terminal, and a typo that gets its correction: as a person calls them."""

from __future__ import annotations

import re

import pytest

from exporter import errors
from exporter.cli.topics import TOPICS
from tests.support.zexport_process import zexport

COMMANDS = ("run", "status", "verify", "estimate", "probe", "login", "whoami", "logout", "demo")
DEAD = ["run", "http://127.0.0.1:9", "-o", "-"]
"""Nobody listens there."""


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_78_columns_however_wide_the_terminal(command: str) -> None:
    said = zexport(*command.split(), "--help", env={"COLUMNS": "200"}).stdout
    assert max(map(len, said.splitlines())) <= 78
    assert zexport("help", *command.split(), env={"COLUMNS": "200"}).stdout == said


def test_the_help_is_one_screen_and_says_where_to_read_on() -> None:
    said = zexport("help").stdout
    assert len(said.splitlines()) < 40
    assert said.count("  zexport ") == 3
    assert [name for name in (*COMMANDS, "sandbox", *TOPICS) if name not in said] == []


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_fits_a_screen(name: str) -> None:
    done = zexport("help", name)
    assert (done.returncode, done.stdout) == (0, TOPICS[name])
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 78


def test_the_topic_of_exit_codes_knows_those_of_all_errors() -> None:
    told = {int(code) for code in re.findall(r"\b\d{1,3}\b(?=[,  ])", TOPICS["exit-codes"])}
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert {each.exit_code for each in classes if issubclass(each, errors.ExportError)} <= told


TYPOS = {
    "runn acme": ("zexport", "there is no command 'runn': did you mean run?"),
    "acme": ("zexport", "there is no command 'acme': did you mean zexport run acme?"),
    "run acme --rol agent": ("zexport run", "there is no --rol: did you mean --role?"),
    "run acme --compres=gzip": ("zexport run", "there is no --compres: did you mean --compress?"),
    "run acme --token s3cret": ("zexport run", "there is no --token: did you mean --token-file?"),
    "run acme --xyzzy": ("zexport run", "there is no --xyzzy"),
    "verify acme-users --sampel 3": ("zexport verify", "there is no --sampel: did you mean --sample?"),
    "run acme --progress bra": ("zexport run", "--progress: knows auto, bar, json, off, not 'bra': did you mean bar?"),
    "run acme agents": ("zexport run", "there are more words than the command takes"),
    "status": ("zexport status", "the following arguments are required: DEST"),
}


@pytest.mark.parametrize(("typed", "said"), TYPOS.items(), ids=TYPOS)
def test_a_typo_gets_its_correction_the_usage_and_the_way_to_the_help(typed: str, said: tuple[str, str]) -> None:
    done = zexport(*typed.split())
    program, what = said
    usage, refused, way = done.stderr.splitlines()
    assert done.returncode == 2
    assert usage.startswith(f"usage: {program} ")
    assert refused == f"{program}: {what}"
    assert way == f"{program} --help tells more."
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize(("name", "meant"), [("formatz", "formats"), ("statsu", "status")])
def test_a_topic_that_is_none_gets_its_correction(name: str, meant: str) -> None:
    done = zexport("help", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"there is no command or topic '{name}': did you mean {meant}?" in done.stderr
    assert "credentials" in done.stderr


def test_quiet_and_verbose_are_taken_before_the_command() -> None:
    before, behind = (zexport(*words, "--patience", "0.1") for words in (["-v", *DEAD], [*DEAD, "-v"]))
    assert before.returncode == behind.returncode == 5
    assert "Traceback" in before.stderr
    assert "Traceback" in behind.stderr
    assert "Traceback" not in zexport("-q", *DEAD, "--patience", "0.1").stderr


@pytest.mark.parametrize("words", [["help"], ["help", "environment"], ["run", "--help"], ["runn"]])
def test_where_only_ascii_can_be_shown_that_is_what_is_shown(words: list[str]) -> None:
    done = zexport(*words, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}, fresh=True)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert said.isascii()
    assert "..." in said
    assert "?" not in said.replace("did you mean run?", "")
