"""The README: every command in it runs, and does what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sandbox_farm import SandboxFarm
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, environment

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Return the commands of shell blocks and of the text, without what is said of them."""
    typed = [re.sub(r"\s+#.*", "", line) for block in blocks("sh") for line in block.splitlines()]
    inline = re.findall(r"`((?:zexport|make|pip) [^`]+)`", README)
    return [*typed, *inline]


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line as a shell does."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder,
        env=environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_commands_of_the_readme_run_one_after_another(tmp_path: Path) -> None:
    lines = [each for each in commands() if re.match(r"zexport (run|status|verify|estimate) \S", each)]
    assert {line.split()[1] for line in lines} == {"run", "status", "verify", "estimate"}
    with SandboxProcess("--users", "1500", *FAST) as sandbox:
        name = sandbox.url.removeprefix("http://").replace(":", "-")
        for line in lines:
            if "jq" in line and shutil.which("jq") is None:
                continue
            typed = re.sub(r"\bacme\b(?!-users)", sandbox.url, line).replace("acme-users", f"{name}-users")
            done = run(typed, tmp_path)
            assert done.returncode in ((0, 141) if "head" in line else (0,)), done.stderr


def test_the_nightly_script_of_the_readme_is_silent_until_it_has_to_alert(tmp_path: Path, farm: SandboxFarm) -> None:
    (script,) = blocks("shell")
    (tmp_path / "nightly.sh").write_text(script)
    sandbox = farm.open("--users", "300")

    def nightly() -> tuple[int, str]:
        done = run(f"sh nightly.sh {sandbox.url} users", tmp_path)
        return done.returncode, done.stdout + done.stderr

    assert nightly() == (0, "")
    first = (tmp_path / "users" / "manifest.json").read_bytes()
    assert nightly() == (0, "")
    assert (tmp_path / "users" / "manifest.json").read_bytes() == first  # it is not older than 20 hours
    with (tmp_path / "users" / "agent.ndjson").open("ab") as file:
        file.write(b"{}\n")
    code, said = nightly()
    assert code == 10
    assert "agent.ndjson" in said
    assert "users are missing, or files have changed: zexport verify users" in said
    shutil.rmtree(tmp_path / "users")
    sandbox.reopen("--users", "300", "--fault", "401@from:1")
    code, said = nightly()
    assert code == 4
    assert f"the account refuses the credentials: zexport whoami {sandbox.url}" in said
    sandbox.reopen("--users", "300", "--fault", "html@from:1")
    code, said = nightly()
    assert code == 7
    assert "exit code 7: see above" in said
    assert "HTML" in said


def test_the_install_command_of_the_readme_finds_what_it_names() -> None:
    line = next(each for each in commands() if each.startswith("pip install"))
    done = run(f"{line} --dry-run --no-index --no-build-isolation", ROOT)
    assert done.returncode == 0, done.stderr
    assert "does not provide the extra" not in done.stdout + done.stderr


def test_the_sandbox_of_the_readme_serves() -> None:
    line = next(each for each in commands() if each.startswith("zexport sandbox"))
    with SandboxProcess(*line.split()[2:]) as sandbox:
        assert sandbox.stats()["requests"] == 0


def test_the_program_of_the_readme_exports_and_streams(tmp_path: Path) -> None:
    (program,) = blocks("python")
    with SandboxProcess("--users", "700", *FAST) as sandbox:
        done = subprocess.run(
            [sys.executable, "-c", program.replace('"acme"', repr(sandbox.url))],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert "True 700" in done.stdout
    assert (tmp_path / "users.ndjson").read_bytes().count(b"\n") == 700


@pytest.mark.parametrize("line", sorted({each for each in commands() if each.startswith("make ")}))
def test_a_make_target_of_the_readme_is_there(line: str) -> None:
    subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


def test_every_test_that_the_readme_leans_on_is_there() -> None:
    named = set(re.findall(r"`(\w+/test_\w+\.py)`", README))
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []


def test_the_exit_codes_of_the_readme_are_those_of_the_errors() -> None:
    from exporter import errors

    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.ExportError)]
    documented = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", README, re.MULTILINE) for code in row.split(",")}
    assert {each.exit_code for each in kinds} <= documented
