"""House rules: what has its place where, how long a file may be, and what is never committed.

Who may import whom is import-linter's, in `pyproject.toml`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

import exporter

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "exporter"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
ROOMS = sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)
SOURCES = sorted([*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
TEXTS = [*SOURCES, *ROOT.glob("*.md"), *ROOT.glob("*.txt"), *ROOT.glob("benchmarks/*.md"), ROOT / "Makefile"]
TEXTS += [ROOT / "pyproject.toml", ROOT / "setup.py", ROOT / "Dockerfile", ROOT / ".ci" / "run"]
TEXTS += [path for path in (ROOT / ".github").rglob("*") if path.is_file()]


def _imports(path: Path) -> set[str]:
    """Return every module that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _part(path: Path) -> str:
    """Name the part of the package that a file belongs to: a module or a folder."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_room_has_a_rule() -> None:
    contracts = (ROOT / "pyproject.toml").read_text().partition("[tool.importlinter]")[2]
    words = {"exporter.__init__", "exporter.__main__"}
    for path in PACKAGE.iterdir():
        name = f"exporter.{path.stem}"
        if (path.is_dir() and (path / "__init__.py").exists()) or path.suffix == ".py":
            assert name in words or re.search(rf'"[^"]*{re.escape(name)}\b[^"]*"', contracts), name


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_a_room_says_what_it_is_for(room: Path) -> None:
    assert len((ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or "").split()) > 10


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("aiohttp", {"api", "sandbox"}),
        ("sqlite3", {"ledger", "output"}),
        ("aiolimiter", {"api"}),
        ("rich", {"cli"}),
        ("platformdirs", {"logins"}),
        ("keyring", {"logins"}),
        ("argparse", {"cli"}),
    ],
)
def test_a_library_has_its_home(library: str, homes: set[str]) -> None:
    users = {_part(path) for path in MODULES if any(name.split(".")[0] == library for name in _imports(path))}
    assert users == homes


def test_the_engine_touches_neither_network_nor_disk_itself() -> None:
    assert not _imports(PACKAGE / "engine" / "engine.py") & {"aiohttp", "sqlite3", "os", "pathlib", "socket"}


def test_only_the_command_line_prints() -> None:
    for path in MODULES:
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        printing = any(isinstance(call, ast.Name) and call.id == "print" for call in calls)
        assert not printing or _part(path) == "cli", path


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_private_or_unfinished_is_committed(path: Path) -> None:
    text = path.read_text()
    for pattern in (
        "TO" + "DO",
        "FIX" + "ME",
        "XX" + "X",
        "/wo" + "rk/",
        "/ro" + "ot/",
        r"\.\./sha" + "red",
        "index" + "-url",
    ):
        assert not re.search(rf"(?<![A-Za-z]){pattern}(?![A-Za-z])", text), f"{path.name} holds {pattern}"


def test_constraints_pin_versions_and_name_no_index() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)


def test_every_public_name_is_there_and_documented() -> None:
    for name in exporter.__all__:
        value = getattr(exporter, name)
        if isinstance(value, type | FunctionType):
            assert value.__doc__, name


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        exporter.nothing_of_ours  # noqa: B018 (it is the access that raises)


@pytest.mark.parametrize("heavy", ["aiohttp", "rich", "sqlite3", "msgspec", "anyio", "platformdirs"])
def test_help_imports_nothing_heavy(heavy: str) -> None:
    script = (
        "import sys, exporter.cli as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        f"assert {heavy!r} not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
