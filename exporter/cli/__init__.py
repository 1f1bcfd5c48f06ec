"""argv in, exit code out. Nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from exporter.version import VERSION

if TYPE_CHECKING:
    from exporter.cli.help import Parser

_ABOUT = """\
Every user out of a Zendesk account: at the whole rate limit, resumable at any
instant, provably complete.

examples:
  zexport demo                        see it work, in 20 seconds, no account
  zexport run acme                    into ./acme-users/; run again to resume
  zexport run acme -o - | jq .email   into a pipe
"""
_READ_ON = """\
zexport help COMMAND tells more of a command, zexport help TOPIC of a topic:
credentials, exit-codes, resuming, formats, environment.
"""


def _parser(words: Sequence[str]) -> Parser:
    from exporter.cli import arguments
    from exporter.cli.help import HelpFormatter, Parser

    parser = Parser(
        prog="zexport",
        description=_ABOUT,
        epilog=_READ_ON,
        formatter_class=HelpFormatter,
        usage="zexport COMMAND …",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, help="show the version; with -v all that a bug report needs")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True, prog="zexport")
    parser.commands = commands
    arguments.add_parsers(commands)
    arguments.add_sandbox(commands, words)
    return parser


class _Version(argparse.Action):
    """Shows the version and ends; with `-v` behind it the commit, Python, and the libraries in use."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        if set(sys.argv[1:]) & {"-v", "--verbose"}:
            from exporter.cli.about import about

            print(about())
        else:
            print(f"zexport {VERSION}")
        parser.exit()


def _in_order(words: Sequence[str]) -> list[str]:
    """Write `help run` as `run --help`, and `-q run` as `run -q`."""
    front = list(takewhile(("-q", "--quiet", "-v", "--verbose").__contains__, words))
    rest = list(words[len(front) :])
    if rest[:1] == ["help"]:
        rest = [*rest[1:2], "--help"]
    return [*rest[:1], *front, *rest[1:]]  # not last: a flag whose value is missing would take it for that


def _join_sort(words: Sequence[str]) -> list[str]:
    """Write `--sort -created_at` as `--sort=-created_at`: argparse takes a value with a dash for a flag."""
    joined = list(words)
    for at in range(len(joined) - 2, -1, -1):
        if joined[at] == "--sort":
            joined[at : at + 2] = [f"--sort={joined[at + 1]}"]
    return joined


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    from exporter.cli.say import be_plain_where_needed, say

    be_plain_where_needed()
    parser = _parser(words)
    if words[:1] == ["help"] and words[1:] and not words[1].startswith("-") and words[1] not in parser.names:
        from exporter.cli.help import show

        return show(words[1], parser.names)
    args = parser.parse_args(_join_sort(_in_order(words)))
    from exporter.cli.clean import ERROR_LIMIT, clean
    from exporter.errors import ExportError, UsageError

    try:
        code = int(args.run(args))
        if sys.stdout is not None:
            sys.stdout.flush()
    except UsageError as exc:
        say("\n".join(filter(None, (f"zexport: {clean(str(exc), ERROR_LIMIT)}", clean(exc.hint, ERROR_LIMIT)))))
        return exc.exit_code
    except ExportError as exc:
        from exporter.cli.summary import error_text

        say(error_text(exc, finished_users=None, command=None))
        return exc.exit_code
    except BrokenPipeError:
        sys.stdout = None  # the interpreter would try to flush it once more, and complain
        return 141
    except OSError as exc:
        say(f"zexport: {clean(str(exc.filename or 'stdout'))}: {exc.strerror}")
        sys.stdout = None
        return 6
    except KeyboardInterrupt:
        return 130
    except Exception as exc:  # noqa: BLE001 (a bug; the interpreter would show its words to the terminal as they are)
        from exporter.cli.summary import error_text, traceback_text

        say(f"{error_text(exc, finished_users=None, command=None)}\n{traceback_text(exc)}")
        return 1
    return code
