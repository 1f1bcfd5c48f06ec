"""Notes the commit in what is built: `zexport --version -v` names it. All else is in pyproject.toml."""

from __future__ import annotations

import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent


def note_commit(package: Path) -> None:
    """Write the commit of this checkout into a package; outside a checkout, leave the note that is there."""
    if (ROOT / ".git").exists():
        described = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=False,
        )
        if described.returncode == 0:
            (package / "commit.txt").write_text(described.stdout)


class BuildPy(build_py):
    """Builds the package, for a wheel."""

    def run(self) -> None:
        """Build, and note the commit beside the modules; an editable install asks git itself."""
        super().run()
        if not self.editable_mode:
            note_commit(Path(self.build_lib, "exporter"))


class SourceDistribution(sdist):
    """Packs the sources."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Gather the files, and note the commit: a wheel is built from them where there is no git."""
        super().make_release_tree(base_dir, files)
        note_commit(Path(base_dir, "exporter"))


setup(cmdclass={"build_py": BuildPy, "sdist": SourceDistribution})
