"""`zexport --version`, and what a bug report needs of it."""

from __future__ import annotations

from exporter.version import VERSION
from tests.support.zexport_process import zexport


def test_the_version_is_a_line_and_with_v_all_that_a_bug_report_needs() -> None:
    assert zexport("--version").stdout == f"zexport {VERSION}\n"
    for words in (("--version", "-v"), ("--version", "--verbose")):
        done = zexport(*words)
        assert done.returncode == 0
        said = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
        assert said["zexport"] == VERSION
        assert {"commit", "python", "aiohttp", "uvloop", "isal"} <= set(said)
    assert "Traceback" not in done.stderr
