"""`zexport verify DEST --against ACCOUNT`, as a person calls it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.sandbox_farm import SandboxFarm
from tests.support.zexport_process import AT_ONCE, zexport


def _forget_a_user(folder: Path) -> int:
    """Leave a user out of the output and have the manifest agree: as if the export had missed him."""
    path = folder / "agent.ndjson"
    lines = path.read_bytes().splitlines(keepends=True)
    gone = json.loads(lines.pop(3))
    path.write_bytes(b"".join(lines))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    entry = next(each for each in manifest["files"] if each["path"] == path.name)
    entry |= {"records": len(lines), "bytes": path.stat().st_size}
    entry["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest["users"] -= 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return int(gone["id"])


@pytest.mark.parametrize("name", ["out", "users.ndjson", "users.ndjson.gz", "users.jsonl.zst"])
def test_an_export_is_held_against_its_account(name: str, farm: SandboxFarm, tmp_path: Path) -> None:
    url = farm.open("--users", "3000").url
    assert zexport("run", url, "-o", tmp_path / name, "-q", *AT_ONCE).returncode == 0
    done = zexport("verify", tmp_path / name, "--against", url, "--sample", "10", *AT_ONCE)
    assert done.returncode == 0, done.stderr
    assert "verified: 3,000 users" in done.stdout
    assert "audited: 10 of about 30 pages looked at, at random places" in done.stdout
    assert "nobody missing; with 95% confidence fewer than 25.9 % of the pages miss anybody" in done.stdout
    done = zexport("verify", tmp_path / name, "--against", url, *AT_ONCE)
    assert "every page of the account looked at, 30 pages: nobody missing" in done.stdout


def test_who_is_missing_is_named_with_3(farm: SandboxFarm, tmp_path: Path) -> None:
    url = farm.open("--users", "3000", "--token", "the-token-of-this-test").url
    env = {"ZENDESK_OAUTH_TOKEN": "the-token-of-this-test"}
    assert zexport("run", url, "-o", tmp_path, "-q", *AT_ONCE, env=env).returncode == 0
    gone = _forget_a_user(tmp_path)
    assert zexport("verify", tmp_path).returncode == 0  # the files are as the manifest says: only the account can tell
    done = zexport("verify", tmp_path, "--against", url, *AT_ONCE, env=env)
    assert done.returncode == 3
    assert f"1 user of the account not in the output:\n{gone}\n1 of 30 pages looked at" in done.stderr
    token = tmp_path / "token"
    token.write_text("wrong")
    assert zexport("verify", tmp_path, "--against", url, "--token-file", token).returncode == 4


def test_what_cannot_be_meant_is_refused(farm: SandboxFarm, tmp_path: Path) -> None:
    url = farm.open("--users", "50").url
    assert zexport("run", url, "-o", tmp_path, "-q", *AT_ONCE).returncode == 0
    assert zexport("verify", tmp_path, "--sample", "5").returncode == 2
    done = zexport("verify", tmp_path, "--against", farm.open("--users", "50").url)
    assert done.returncode == 10
    assert f"the export is of {url}" in done.stderr
