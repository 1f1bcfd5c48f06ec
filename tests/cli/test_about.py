"""`zexport --version`, and what a bug report needs of it; a demo that runs nothing of a stranger's."""

from __future__ import annotations

from pathlib import Path

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


def test_a_demo_runs_no_module_of_the_current_folder_and_hands_on_no_credentials(tmp_path: Path) -> None:
    planted = 'import pathlib\npathlib.Path("OWNED").write_text("by a stranger")\nraise ImportError\n'
    for name in ("msgspec.py", "aiohttp.py", "orjson.py"):
        (tmp_path / name).write_text(planted)
    done = zexport("demo", cwd=tmp_path, env={"ZENDESK_EMAIL": "a@b.example", "ZENDESK_API_TOKEN": "hush-hush"})
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "OWNED").exists()
