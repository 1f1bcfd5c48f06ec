"""Without uvloop, isal and zstandard everything works, but for what needs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, environment, expected_lines, role_files, sorted_lines

WITHOUT = """
import sys
for name in ("uvloop", "isal", "zstandard"):
    sys.modules[name] = None  # an import of it fails, as if it were not installed
from exporter.cli import main
sys.exit(main(sys.argv[1:]))
"""


def without_extras(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, *args]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)


def test_an_export_needs_none_of_them(tmp_path: Path) -> None:
    with SandboxProcess("--users", "500", *FAST) as sandbox:
        done = without_extras("run", sandbox.url, "-o", str(tmp_path), "--compress", "none")
    assert done.returncode == 0, done.stderr
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(500)


def test_zstd_says_what_is_missing(tmp_path: Path) -> None:
    done = without_extras("run", "http://127.0.0.1:9", "-o", str(tmp_path / "users.ndjson.zst"))
    assert done.returncode == 2
    assert "pip install zstandard" in done.stderr
    assert list(tmp_path.iterdir()) == []
