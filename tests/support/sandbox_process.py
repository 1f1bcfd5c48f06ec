"""The sandbox in a process of its own, for every test that needs a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from types import TracebackType
from typing import Any, Self

from tests.support.forked import becoming, can_fork

TIMEOUT = 30.0
"""Seconds for anything a sandbox is waited for."""


class SandboxProcess:
    """A running `zexport sandbox`, on a free port, for as long as the context lasts.

    :param flags: its flags, but for `--port`.
    """

    def __init__(self, *flags: str) -> None:
        words = ["sandbox", "--port", "0", *flags]
        become = becoming(words, os.environ) if can_fork() else None
        command = [sys.executable, "-m", "exporter", *words]
        popen = {"preexec_fn": become, "stdout": subprocess.PIPE, "text": True}
        self.process: subprocess.Popen[str] = subprocess.Popen(command, **popen)  # type: ignore[call-overload]
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        if not self.url.startswith("http://127.0.0.1:"):
            self.close()
            raise RuntimeError(f"no sandbox came up; exit code {self.process.returncode}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, whatever state it is in."""
        self.process.kill()
        self.process.communicate(timeout=TIMEOUT)

    def stats(self) -> dict[str, Any]:
        """Return what the sandbox has been asked and has answered, see `exporter.sandbox.statistics`."""
        with urllib.request.urlopen(f"{self.url}/_sandbox/stats", timeout=TIMEOUT) as response:
            report: dict[str, Any] = json.load(response)
            return report
