"""How `--help` looks, and how a command line is refused: fit for a terminal, with a correction where one is near, and
without repeating what may be a secret.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from exporter.cli.clean import ERROR_LIMIT, clean
from exporter.cli.values import correction

WIDEST = 80
"""Columns: what a terminal has at least, and a longer line is hard to read."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps descriptions as they are written, and flags with what they do on one line where they fit."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=min(shutil.get_terminal_size().columns, WIDEST) - 2)


class Parser(argparse.ArgumentParser):
    """Refuses what it does not know by its name alone: `--token VALUE` would put a secret into a log."""

    commands: argparse._SubParsersAction[Parser] | None = None

    @property
    def names(self) -> Iterable[str]:
        """The commands there are."""
        return self.commands.choices if self.commands else ()

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Read a command line, all of it."""
        known, unknown = self.parse_known_args(args, namespace)
        if unknown:
            names = [word.partition("=")[0] if word.startswith("--") else word[:2] for word in unknown]
            flags = [name for name in names if name.startswith("-")]
            command = self.commands.choices[known.command] if self.commands else self
            if not flags:
                command.error("there are more words than the command takes")
            command.error(f"there is no {flags[0]}{correction(flags[0], command._option_string_actions)}")
        return known

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, how it is used, and where to read on; and exit with 2."""
        what = clean(message.removeprefix("argument "), ERROR_LIMIT)
        self.exit(2, f"{self.format_usage()}{self.prog}: {what}\n{self.prog} --help tells more.\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that is none of those there are, in our words."""
        if action.choices is None or value in action.choices:
            return
        if action is not self.commands:
            known = ", ".join(map(str, action.choices))
            raise argparse.ArgumentError(action, f"knows {known}, not {value!r}{correction(value, action.choices)}")
        meant = correction(value, action.choices) or f": did you mean {self.prog} run {value}?"
        raise argparse.ArgumentError(None, f"there is no command {value!r}{meant}")


def show(name: str, commands: Iterable[str]) -> int:
    """Show what `help NAME` asks for where it is no command's: a topic, or what there is."""
    from exporter.cli.topics import TOPICS

    if name not in TOPICS:
        what = f"there is no command or topic {clean(name)!r}{correction(name, [*commands, *TOPICS])}"
        sys.stderr.write(f"zexport help: {what}\nTopics: {', '.join(TOPICS)}.\n")
        return 2
    sys.stdout.write(TOPICS[name])
    return 0
