"""argv in, exit code out. Nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from exporter.version import VERSION

_EXAMPLES = """\
examples:
  zexport demo                                 see it work, in 20 seconds, without an account
  zexport run acme                             every user of acme.zendesk.com into ./acme-users/
  zexport run acme -o users.ndjson.gz          into one file, compressed; run it again to resume
  zexport run acme -o - | jq -r .email         into a pipe
  zexport run acme --role agent --role admin   only these
  zexport estimate acme                        how many users, how many minutes; writes nothing
  zexport status acme-users                    how far it is
  zexport verify acme-users                    prove the files against the manifest
  zexport verify acme-users --against acme     and against the account, at random places
  zexport login acme                           log in by an OAuth client, once for all later runs

credentials, the first of these that is there:
  --token-file FILE, --token-command CMD
  ZENDESK_OAUTH_TOKEN
  ZENDESK_EMAIL and ZENDESK_API_TOKEN (ending: none can be made any more)
  ZENDESK_OAUTH_CLIENT_ID and ZENDESK_OAUTH_CLIENT_SECRET, for servers and cron
  what zexport login has stored

exit codes:
  0 complete         5 network, run again     10 the ledger is of another export
  2 usage            6 disk                   11 another run is at work
  3 finished, but    7 server broke its       129, 130, 143 stopped by a signal, run again
    not everything     contract               141 the reader closed the pipe, run again
  4 credentials      8 --max-…, run again     1 a bug
"""


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    from exporter.cli import arguments
    from exporter.cli.help import HelpFormatter, Parser

    parser: argparse.ArgumentParser = Parser(
        prog="zexport",
        description="Every user out of a Zendesk account: at the whole rate limit, resumable at any instant,\n"
        "provably complete.\n\n" + _EXAMPLES,
        formatter_class=HelpFormatter,
        usage="zexport COMMAND …",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, help="show the version; with -v all that a bug report needs")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="zexport")
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
    args = _parser(words).parse_args(_join_sort(words))
    from exporter.cli.clean import ERROR_LIMIT, clean
    from exporter.cli.say import say
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
