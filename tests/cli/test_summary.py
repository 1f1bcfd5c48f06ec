"""The words after a run: summaries, errors and their codes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.cli.summary import error_text, exit_code, flatten, summary
from exporter.errors import AuthError, ClosedPipeError, ContractError, ExportError, LockedError, NetworkError
from tests.support.terminal_screen import FINISHED


def test_summary_of_a_complete_export() -> None:
    assert summary(FINISHED, account="acme", destination="acme-users", command="zexport run acme").split("\n") == [
        "complete: 30,824 users of acme",
        "",
        "  users     12,300 end-user, 812 agent, 12 admin",
        "  time      2m 10s, 237 users/s",
        "  requests  312, 3 retries, 0 resumes",
        "  files     24.9 MB in acme-users/",
        "            end-user.ndjson, agent.ndjson, admin.ndjson",
        "  next      zexport verify acme-users",
        "            jq -r .email acme-users/end-user.ndjson | head -3",
    ]


def test_summary_of_an_export_that_was_complete() -> None:
    already = replace(FINISHED, seconds=0.0, written=0)
    text = summary(already, account="acme", destination="acme-users/", command="zexport run acme")
    assert text.startswith("already complete: 30,824 users of acme, nothing to do\n")
    assert "  time" not in text
    assert "  files     24.9 MB in acme-users/\n" in text
    assert "zexport run" not in text


def test_summary_of_a_stopped_export_has_the_command_to_go_on() -> None:
    stopped = replace(FINISHED, complete=False, stopped="--max-users", written=824, resumes=1)
    text = summary(stopped, account="acme", destination="acme-users", command="zexport run acme -o 'my users'")
    assert text.startswith("stopped by --max-users: 30,824 users of acme so far\n")
    assert "  time      2m 10s in this run: 824 users, 6/s\n" in text
    assert "end-user.ndjson.partial, agent.ndjson.partial" in text
    assert text.endswith("  next      zexport run acme -o 'my users'")
    assert "verify" not in text


def test_summary_of_an_export_with_something_missing() -> None:
    missing = replace(
        FINISHED, complete=False, missing="users beyond the reach of offset pagination", warnings=("w\x1b[0m",) * 5
    )
    text = summary(missing, account="acme", destination="acme-users", command="zexport run acme")
    assert text.startswith("finished, but something is missing: 30,824 users of acme\n")
    assert "  missing   users beyond the reach of offset pagination\n" in text
    assert text.count("  warning   w\n") == 3
    assert "            and 2 more: the manifest has all of them\n" in text


def test_summary_names_a_file_as_it_was_written() -> None:
    name = "/tmp/all users.ndjson.gz"
    gzipped = replace(FINISHED, files=(name, "/tmp/all users.organizations.ndjson.gz"))
    lines = summary(gzipped, account="acme", destination="../tmp/all users.ndjson.gz", command=None).split("\n")
    assert lines[5:] == [
        "  files     24.9 MB in ../tmp/all users.ndjson.gz",
        "            all users.organizations.ndjson.gz",
        "  next      zexport verify '../tmp/all users.ndjson.gz'",
        "            gzip -dc '../tmp/all users.ndjson.gz' | jq -r .email | head -3",
    ]


def test_summary_of_stdout_names_no_files() -> None:
    piped = replace(FINISHED, files=())
    text = summary(piped, account="acme", destination="-", command=None)
    assert text.endswith("  files     24.9 MB to stdout")


def test_summary_lists_a_few_of_many_files() -> None:
    many = replace(FINISHED, files=tuple(f"/u/{n}.ndjson" for n in range(8)))
    text = summary(many, account="acme", destination="/u", command=None)
    assert "0.ndjson, 1.ndjson, 2.ndjson, and 5 more\n" in text
    assert len(text.split("\n")) <= 12


def test_an_outage_in_every_range_is_one_error() -> None:
    why = "gave up on /api/v2/users for {} after {} tries: HTTP 503"
    outage = ExceptionGroup(
        "ranges",
        [
            NetworkError(why.format("end-user", 7)),
            ExceptionGroup("deeper", [NetworkError(why.format("end-user", 7)), NetworkError(why.format("agent", 6))]),
        ],
    )
    assert exit_code(outage) == 5
    assert error_text(outage, finished_users=41_200, command="zexport run acme").split("\n") == [
        "zexport: gave up on /api/v2/users for end-user after 7 tries: HTTP 503 (and 1 more like it)",
        "  What is written is safe. Run the same command again: it goes on from here.",
        "  written   41,200 users",
        "  next      zexport run acme",
    ]


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([NetworkError("n"), AuthError("a")], 4),
        ([AuthError("a"), ContractError("c"), NetworkError("n")], 7),
        ([ClosedPipeError("p"), NetworkError("n")], 5),
        ([NetworkError("n"), ValueError("v")], 1),
        ([ClosedPipeError("p")], 141),
    ],
)
def test_the_error_that_asks_most_comes_first(errors: list[Exception], code: int) -> None:
    group = ExceptionGroup("", errors)
    assert exit_code(group) == code
    first = flatten(group)[0]
    assert getattr(first, "exit_code", 1) == code
    lines = error_text(group, finished_users=None, command=None).split("\n")
    assert str(first) in lines[0]
    assert sum(line.startswith("  also: ") for line in lines) == len(errors) - 1


@pytest.mark.parametrize("error", [error for error in ExportError.__subclasses__() if error is not ContractError])
def test_the_command_is_shown_where_running_again_makes_sense(error: type[ExportError]) -> None:
    text = error_text(error("what"), finished_users=None, command="zexport run acme")
    assert text.endswith("  next      zexport run acme") == (error.exit_code in (4, 5, 6, 11, 141))
    assert not error.hint or error.hint in text


def test_a_bug_is_called_one() -> None:
    text = error_text(KeyError("x"), finished_users=3, command="zexport run acme")
    assert text.startswith("zexport: a bug: KeyError: 'x'\n")
    assert "zexport run" not in text
    assert error_text(RuntimeError(), finished_users=None, command=None).startswith("zexport: a bug: RuntimeError\n")


def test_a_code_of_no_rank_is_an_error_like_any_other() -> None:
    class NewError(ExportError):
        exit_code = 99

    assert exit_code(ExceptionGroup("", [NetworkError("n"), NewError("x")])) == 99


def test_errors_are_cleaned() -> None:
    text = error_text(LockedError("by \x1b]0;evil\x07me\nagain"), finished_users=None, command="zexport\x1b[2J run")
    assert text.startswith("zexport: by me again\n")
    assert text.endswith("zexport run")


def test_to_stdout_whoever_changed_was_sent_again_and_the_recipe_drops_older_lines() -> None:
    sent = replace(FINISHED, added=194, counted=30_700, files=())
    text = summary(sent, account="acme", destination="-", command=None)
    assert "  counted   30,700 by the account\n" in text
    assert "  changes   194 users changed meanwhile, and sent as they are now: the last line of an id counts\n" in text
    assert "group_by(.id)" in text


def test_what_the_account_counts_is_held_against_what_was_written() -> None:
    for counted, said in ((30_824, "as many as written"), (30_830, "6 more than written"), (1, "30,823 fewer than")):
        text = summary(replace(FINISHED, counted=counted), account="acme", destination="acme-users", command=None)
        assert f"  counted   {counted:,} by the account, {said}" in text


def test_lines_that_a_newer_one_follows_are_told_of() -> None:
    text = summary(replace(FINISHED, older=1), account="acme", destination="acme-users", command=None)
    assert "  older     1 line that a newer one follows\n" in text
