"""The demo, once: it takes ten seconds. What it prints is in the README, and it runs nothing of a stranger's."""

from __future__ import annotations

import re
from pathlib import Path

from tests.house.test_readme import blocks
from tests.support.zexport_process import zexport

CREDENTIALS = {"ZENDESK_EMAIL": "a@b.example", "ZENDESK_API_TOKEN": "hush-hush"}


def plain(text: str) -> str:
    return re.sub(r"[\d.,:]+", "N", text)


def test_the_demo_keeps_its_promises_as_the_readme_shows_them_and_runs_no_module_of_the_current_folder(
    tmp_path: Path,
) -> None:
    planted = 'import pathlib\npathlib.Path("OWNED").write_text("by a stranger")\nraise ImportError\n'
    for name in ("msgspec.py", "aiohttp.py", "orjson.py"):
        (tmp_path / name).write_text(planted)
    done = zexport("demo", cwd=tmp_path, env=CREDENTIALS)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "OWNED").exists()
    for promise in ("killed with SIGKILL", "verified: 25,000 users", "untouched, byte for byte"):
        assert promise in done.stdout
    shown = next(block for block in blocks("console") if "make demo" in block).splitlines()[1:]
    for line in shown:
        if not re.match(r"  \d+ (page|end|look|answer)", line):  # evidence: how much there is of it, is chance
            assert plain(line) in plain(done.stdout)
