"""What visitors and tools read beside the README: nothing in it names what is not there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from exporter.version import VERSION

ROOT = Path(__file__).parent.parent.parent
PAGES = ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "README.md"]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_and_target_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    for path in re.findall(r"`((?:exporter|tests|benchmarks|docs|examples|\.ci)/[^` ]*)`", text):
        assert list(ROOT.glob(path.rstrip("/"))), f"{page} names {path}"
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets


def test_the_image_copies_what_is_there_and_runs_what_is_installed() -> None:
    text = (ROOT / "Dockerfile").read_text()
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists()
            assert name in kept, f"{name} does not reach the build"
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    [entry] = re.findall(r'^ENTRYPOINT \["(\w+)"\]$', text, re.MULTILINE)  # the form without a shell: signals arrive
    assert entry in scripts
    assert re.search(r"^USER (?!root)", text, re.MULTILINE)


def test_the_changelog_knows_this_version_and_what_is_to_come() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert VERSION in headings


def test_a_workflow_runs_what_everybody_runs() -> None:
    for name in ("ci.yml", "release.yml"):
        text = (ROOT / ".github" / "workflows" / name).read_text()
        assert "bash .ci/run" in text
        assert "secrets." not in text
