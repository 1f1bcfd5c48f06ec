"""The error tree. Every error says what happened, where, what is safe and what to do next.

```
ExportError                      exit
├── UsageError                      2   a flag, address or file name that cannot be meant
├── IncompleteError                 3   finished, but something is missing or does not match its manifest
├── AuthError                       4   401, 403, a redirect: the account does not let us in
├── NetworkError                    5   network, 5xx or rate limit outlasted the patience
│   └── CutError                    7   pages came, and not one of them whole
├── OutputError                     6   disk full, I/O error
├── ContractError                   7   the server broke its contract
│   └── NotAPage                        this response is not a page; asking again may help
├── TextError                       7   text is no Unicode, and must be (`--strict`)
├── LedgerError                    10   the ledger does not fit this account, query or output
├── LockedError                    11   another run holds the ledger
└── ClosedPipeError               141   the reader of stdout is gone
```

A failure that may pass is no exception but a value (`verdict.Again`), consumed inside `client.fetch`; `NotAPage` is the
one bridge between the two. Foreign exceptions are translated once, at the module that met them.
"""

from __future__ import annotations


class ExportError(Exception):
    """Something that will not pass by itself.

    :param what: what happened and where, one sentence, without a full stop at its end.
    :param hint: what to do next; the command line prints it on a line of its own.
    """

    exit_code = 1
    hint = ""

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        if hint is not None:
            self.hint = hint


class UsageError(ExportError):
    """Raised before anything is done: the request itself makes no sense."""

    exit_code = 2


class IncompleteError(ExportError):
    """Raised by `verify` for files that do not match, or by an export that could not reach everyone."""

    exit_code = 3


class AuthError(ExportError):
    """Raised by the client for 401, 403 and redirects; never retried."""

    exit_code = 4
    hint = "What is written is safe. Mend the credentials, then run the same command again: it goes on from here."


class NetworkError(ExportError):
    """Raised by the client when failures outlast the patience."""

    exit_code = 5
    hint = "What is written is safe. Run the same command again: it goes on from here."


class CutError(NetworkError):
    """Raised by the client when a page is cut short at every single try: that is no hiccup of the way."""

    exit_code = 7
    hint = "What is written is safe. Whatever cuts these answers may let smaller ones pass: --page-size 25."


class OutputError(ExportError):
    """Raised by sinks and ledger when the disk refuses."""

    exit_code = 6
    hint = "What was written before is safe. Mend the output, then run the same command again: it goes on from here."


class ContractError(ExportError):
    """Raised when the server answers what it must not: bad JSON, a loop, descending ids."""

    exit_code = 7
    hint = "What is written is safe. If it happens again, report it with the output of -v."


class NotAPage(ContractError):
    """Raised by `wire.read_page` for a body that is no page of users. The client asks again a few times."""


class TextError(ExportError):
    """Raised with `strict` for text that is no Unicode. No other way of asking would bring other text."""

    exit_code = 7
    hint = "Without --strict such text is replaced by U+FFFD, and the manifest names the users."


class LedgerError(ExportError):
    """Raised when positions belong to something else, or cannot be trusted."""

    exit_code = 10
    hint = "Choose another output, or forget what is there with --restart."


class LockedError(ExportError):
    """Raised when another live run holds the lock."""

    exit_code = 11
    hint = "Wait for it to end, or stop it; `zexport status` shows how far it is."


class ClosedPipeError(ExportError):
    """Raised when stdout's reader is gone. Not a failure: `| head` does it."""

    exit_code = 141
    hint = ""
