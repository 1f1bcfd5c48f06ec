"""The words after a run: what was exported, or what went wrong, what is safe, and what to do next."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from traceback import format_exception

from exporter.cli.clean import ERROR_LIMIT, clean
from exporter.cli.figures import counted, duration, effort, size, when
from exporter.errors import ExportError
from exporter.events import Finished

BUG = 1
RANK = (BUG, 2, 10, 7, 6, 4, 11, 3, 5, 141)
"""Exit codes of errors, the one that asks most of a person first: a bug, what another run will not mend, what has to
be mended before it, what passes, and last what is no failure."""
AGAIN = {4, 5, 6, 11, 141}
"""Errors after which the same command goes on, at once or when something is mended."""

STDOUT = "-"
LABEL = 10
NAMES_SHOWN = 3
WARNINGS_SHOWN = 3
COMMAND_LIMIT = 2000
BUG_HINT = "What is written is safe. Please report this, with the output of -v."
_JQ = "jq -r .email"
_ONE_EACH = "one line each: | jq -sc 'group_by(.id) | map(max_by(.updated_at))[]'"
_DECOMPRESS = {".gz": "gzip -dc", ".zst": "zstd -dc"}


def summary(
    finished: Finished, *, account: str, destination: str, command: str | None, newer: Sequence[str] = ()
) -> str:
    """Say how a run ended.

    :param account: its name, as a person knows it.
    :param destination: as it was written on the command line.
    :param command: what goes on with the export; None if nothing does.
    :param newer: commands for a newer export, where this one was complete before.
    """
    over = finished.complete or bool(finished.missing)
    already = over and not finished.seconds
    lines = [_title(finished, account), "", *_entry("users", [_by_role(finished)])]
    if over:
        lines += _entry("counted", _counted(finished, destination))
    if finished.missing:
        lines += _entry("missing", [clean(finished.missing)])
    lines += _entry("time", [_time(finished)]) if not already else _entry("finished", _finished(finished))
    lines += _entry("changes", _changes(finished, destination))
    lines += _entry("older", _older(finished, destination))
    lines += _entry("requests", [effort(finished.requests, finished.retries, finished.resumes)])
    lines += _entry("files", _output(finished, destination, over=over))
    lines += _warnings(finished.warnings)
    lines += _entry("next", _next(finished, destination) if over else [_command(command)] if command else [])
    if already:
        lines += _entry("newer", list(map(_command, newer)))
    return "\n".join(lines)


def error_text(error: BaseException, *, finished_users: int | None, command: str | None) -> str:
    """Say what went wrong, what is safe, and what to do next.

    :param error: an ExportError, or a group with one for each range that met it; anything else is a bug.
    :param finished_users: users written, None if unknown.
    :param command: what goes on with the export; shown where that makes sense.
    """
    errors = flatten(error)
    of_code = Counter(map(_code, errors))
    firsts: dict[int, BaseException] = {}
    for each in errors:
        firsts.setdefault(_code(each), each)
    said = [_what(each) + _more(of_code[code] - 1) for code, each in firsts.items()]
    code, first = _code(errors[0]), errors[0]
    hint = clean(first.hint, ERROR_LIMIT) if isinstance(first, ExportError) else BUG_HINT
    lines = [f"zexport: {said[0]}", *(f"  also: {each}" for each in said[1:])]
    if hint:
        lines.append(f"  {hint}")
    if finished_users is not None:
        lines += _entry("written", [counted(finished_users, "user", "users")])
    if command and code in AGAIN:
        lines += _entry("next", [_command(command)])
    return "\n".join(lines)


def traceback_text(error: BaseException) -> str:
    """Return the traceback, line by line fit for a terminal: what is said in it may be a server's, or a file's name."""
    return "\n".join(clean(line, ERROR_LIMIT) for line in "".join(format_exception(error)).rstrip().split("\n"))


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error; of a group, that of the member which asks most of a person (`RANK`)."""
    return _code(flatten(error)[0])


def flatten(error: BaseException) -> list[BaseException]:
    """Return the errors in a group, those with the same words once, the one that asks most of a person first."""
    errors: dict[tuple[type, str], BaseException] = {}
    for leaf in _leaves(error):
        errors.setdefault((type(leaf), str(leaf)), leaf)
    return sorted(errors.values(), key=_rank)


def _leaves(error: BaseException) -> Iterable[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _code(error: BaseException) -> int:
    return error.exit_code if isinstance(error, ExportError) else BUG


def _rank(error: BaseException) -> int:
    code = _code(error)
    return RANK.index(code) if code in RANK else RANK.index(BUG)


def _what(error: BaseException) -> str:
    if isinstance(error, ExportError):
        return clean(str(error), ERROR_LIMIT)
    said = f": {clean(str(error), ERROR_LIMIT)}" if str(error) else ""
    return f"a bug: {type(error).__name__}{said}"


def _more(number: int) -> str:
    return f" (and {number:,} more like it)" if number else ""


def _entry(label: str, values: list[str]) -> list[str]:
    """Return lines with a label before the first."""
    return [f"  {name:<{LABEL}}{value}" for name, value in zip([label] + [""] * len(values), values, strict=False)]


def _title(finished: Finished, account: str) -> str:
    users = f"{counted(finished.users, 'user', 'users')} of {clean(account)}"
    if finished.missing:
        return f"finished, but something is missing: {users}"
    if finished.complete:
        return f"complete: {users}" if finished.seconds else f"already complete: {users}, nothing to do"
    by = f" by {clean(finished.stopped)}" if finished.stopped else ""
    return f"stopped{by}: {users} so far"


def _by_role(finished: Finished) -> str:
    return ", ".join(f"{role.users:,} {role.role}" for role in finished.roles)


def _older(finished: Finished, destination: str) -> list[str]:
    """Say that some users have several lines, and how to be left with one."""
    if not finished.older or not (finished.complete or finished.missing):
        return []
    told = f"{counted(finished.older, 'line', 'lines')} that a newer one follows"
    return [told, *([_ONE_EACH] if destination == STDOUT else [])]


def _counted(finished: Finished, destination: str) -> list[str]:
    """Say what the account itself counts, where it does."""
    if finished.counted is None:
        return []
    more = finished.counted - finished.users
    if destination == STDOUT and finished.added:  # of whom some were sent before
        return [f"{finished.counted:,} by the account"]
    differs = f"{abs(more):,} {'more' if more > 0 else 'fewer'} than written" if more else "as many as written"
    return [f"{finished.counted:,} by the account, {differs}"]


def _finished(finished: Finished) -> list[str]:
    return [when(finished.finished_at, datetime.now(UTC).astimezone())] if finished.finished_at else []


def _time(finished: Finished) -> str:
    speed = f"{finished.written / finished.seconds if finished.seconds else 0:,.0f}"
    if finished.written == finished.users:
        return f"{duration(finished.seconds)}, {speed} users/s"
    return f"{duration(finished.seconds)} in this run: {counted(finished.written, 'user', 'users')}, {speed}/s"


def _changes(finished: Finished, destination: str) -> list[str]:
    """Say what the closing sweep brought, if anything; of what went to stdout it can't know who was there before."""
    if not finished.added and not finished.renewed:
        return []
    if destination == STDOUT:
        sent = counted(finished.added, "user", "users")
        return [f"{sent} changed meanwhile, and sent as they are now: the last line of an id counts", _ONE_EACH]
    return [f"meanwhile: {finished.added:,} added, {finished.renewed:,} written anew"]


def _output(finished: Finished, destination: str, *, over: bool) -> list[str]:
    amount = size(finished.bytes)
    if destination == STDOUT:
        return [f"{amount} to stdout"]
    suffix = "" if over else ".partial"
    names = [clean(path.name) + suffix for path in map(Path, finished.files)]
    if _is_file(finished, destination):
        return [f"{amount} in {clean(destination)}{suffix}", *_listed(names[1:])]
    return [f"{amount} in {clean(destination).rstrip('/')}/", *_listed(names)]


def _listed(names: list[str]) -> list[str]:
    more = [f"and {len(names) - NAMES_SHOWN} more"] if len(names) > NAMES_SHOWN else []
    return [", ".join(names[:NAMES_SHOWN] + more)] if names else []


def _is_file(finished: Finished, destination: str) -> bool:
    """Tell whether the destination is the users' file itself, not the folder that files are in."""
    return bool(finished.files) and Path(destination).name == Path(finished.files[0]).name


def _next(finished: Finished, destination: str) -> list[str]:
    if destination == STDOUT or not finished.files:
        return []
    first = Path(destination)
    if not _is_file(finished, destination):
        first /= Path(finished.files[0]).name
    path = shlex.quote(str(first))
    show = f"{_DECOMPRESS[first.suffix]} {path} | {_JQ}" if first.suffix in _DECOMPRESS else f"{_JQ} {path}"
    commands = [f"zexport verify {shlex.quote(destination)}", *([f"{show} | head -3"] if finished.users else [])]
    return [_command(each) for each in commands]


def _command(command: str) -> str:
    return clean(command, COMMAND_LIMIT)


def _warnings(warnings: tuple[str, ...]) -> list[str]:
    lines = [line for text in warnings[:WARNINGS_SHOWN] for line in _entry("warning", [clean(text)])]
    if len(warnings) > WARNINGS_SHOWN:
        lines += _entry("", [f"and {len(warnings) - WARNINGS_SHOWN} more: the manifest has all of them"])
    return lines
