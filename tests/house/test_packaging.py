"""A wheel and an sdist that work outside the checkout, on every Python that is here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, environment, expected_lines, sorted_lines

ROOT = Path(__file__).parent.parent.parent


def run(*command: object, **variables: str) -> str:
    env = {**environment(), **variables}
    done = subprocess.run(
        [*map(str, command)], env=env, cwd="/", capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both from a copy of what git tracks, so that nothing is left in the checkout."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    run("git", "clone", "-q", ROOT, source / "zexport")
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / name, source / "zexport" / name)
    shutil.copytree(ROOT / "exporter", source / "zexport" / "exporter", dirs_exist_ok=True)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source / "zexport")
    return folder


def interpreter(version: str) -> Path:
    """Find an interpreter of this version; skip the test where there is none."""
    places = [Path(sys.executable).resolve(), *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))]
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    for place in (*places, shutil.which(f"python{version}")):  # the last may be a stand-in that only says where to look
        if place:
            said = subprocess.run([place, "-c", question], capture_output=True, text=True, check=False)
            if said.stdout.strip() == version:
                return Path(place)
    pytest.skip(f"there is no Python {version} on this machine")


def test_a_wheel_runs_outside_the_checkout_and_names_its_commit(built: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    elsewhere = {"PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
    where = run(sys.executable, "-c", "import exporter; print(exporter.__file__)", **elsewhere)
    assert where.startswith(str(tmp_path))
    commit = run("git", "-C", ROOT, "rev-parse", "--short=12", "HEAD").strip()
    about = run(sys.executable, "-c", "from exporter.cli.about import about; print(about())", **elsewhere)
    assert commit in about
    assert "aiohttp    3." in about
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        run(sys.executable, "-m", "exporter", "run", sandbox.url, "-o", tmp_path / "users.ndjson", **elsewhere)
    assert sorted_lines(tmp_path / "users.ndjson") == sorted(expected_lines(300))


def test_both_hold_the_package_and_nothing_else(built: Path) -> None:
    [wheel], [sdist] = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed, tarfile.open(sdist) as sources:
        modules = {name for name in packed.namelist() if not name.startswith("zexport-")}
        kept = {name.partition("/")[2] for name in sources.getnames()}
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "exporter").rglob("*.py")}
    assert modules == expected | {"exporter/py.typed", "exporter/commit.txt"}
    assert modules | {"LICENSE", "README.md", "pyproject.toml", "setup.py"} <= kept


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("form", ["*.whl", "*.tar.gz"])
def test_it_installs_and_runs_on_each_python(version: str, form: str, built: Path, tmp_path: Path) -> None:
    [package] = built.glob(form)
    run(interpreter(version), "-m", "venv", tmp_path / "venv")
    run(tmp_path / "venv/bin/pip", "install", "-q", "--constraint", ROOT / "constraints.txt", package)
    zexport = tmp_path / "venv" / "bin" / "zexport"
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        run(zexport, "run", sandbox.url, "-o", tmp_path / "users.ndjson.zst", PATH=os.defpath)
    assert "300 users" in run(zexport, "verify", tmp_path / "users.ndjson.zst")
