"""An environment for each peer, under `.peers/`, made by pip and npm from the versions in `requirements/`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from benchmarks.processes import PYTHON

ROOT = Path(__file__).parent.parent.parent
PEERS = ROOT / ".peers"
REQUIREMENTS = Path(__file__).parent / "requirements"


def version_of(package: str) -> str:
    """Return the version of a peer that is installed: each file pins everything, the peer itself first."""
    requirements = _requirements(package)
    if requirements.suffix == ".json":
        return str(json.loads(requirements.read_text())["dependencies"][package])
    return requirements.read_text().splitlines()[0].partition("==")[2]


def environment(package: str) -> Path:
    """Return the folder of a peer's environment, made anew if it is not what the requirements say.

    :raises subprocess.CalledProcessError: if pip or npm can't install it.
    :raises OSError: if there is no npm.
    """
    requirements = _requirements(package)
    home = PEERS / package
    stamp = home / "installed"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return home
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (PEERS / ".gitignore").write_text("*\n")
    if requirements.suffix == ".json":
        shutil.copy(requirements, home / "package.json")
        _install("npm", "install", "--no-audit", "--no-fund", "--prefix", str(home))
    else:
        _install(PYTHON, "-m", "venv", str(home))
        _install(str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--requirement", str(requirements))
    stamp.write_text(requirements.read_text())
    return home


def _requirements(package: str) -> Path:
    return next(REQUIREMENTS.glob(f"{package}.*"))


def _install(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
