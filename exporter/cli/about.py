"""What runs: version, commit, Python, and the libraries that decide how fast; for bug reports."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from exporter.version import VERSION

LIBRARIES = ("aiohttp", "anyio", "aiolimiter", "orjson", "msgspec", "rich", "uvloop", "isal", "zstandard", "keyring")


def about() -> str:
    """Say it in a line each."""
    lines = [f"zexport {VERSION}", f"commit     {commit() or 'not known'}"]
    lines.append(f"python     {platform.python_version()} ({platform.python_implementation()}, {platform.platform()})")
    lines += [f"{library:<10} {_installed(library)}" for library in LIBRARIES]
    return "\n".join(lines)


def commit() -> str:
    """Return the commit that the package was built from, or that it runs from in a checkout; empty if nobody knows."""
    package = Path(__file__).parent.parent
    try:
        return (package / "commit.txt").read_text().strip()
    except OSError:
        pass
    if not (package.parent / ".git").exists():
        return ""
    command = ["git", "-C", str(package.parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _installed(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
