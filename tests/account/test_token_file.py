"""`--token-file`: what is read, what is refused, and that no message repeats it."""

from __future__ import annotations

import io
import os
import re
import subprocess
from argparse import Namespace
from pathlib import Path

import pytest

from exporter.account.credentials import LONGEST, ApiToken, Secret, load_account
from exporter.account.hiding import WITHHELD
from exporter.cli.account import account_from
from exporter.errors import UsageError
from tests.support.zexport_process import COMMAND, TIMEOUT, environment

TOKEN = "Tk0-secret/AbC=" * 3


def read(name: str | Path) -> str:
    account = account_from(Namespace(account="acme", token_file=os.fspath(name), ca_file=None))
    assert account.credentials is not None
    (token,) = account.credentials.secrets()
    return token


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZENDESK_EMAIL", "ZENDESK_API_TOKEN", "ZENDESK_OAUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("content", [TOKEN, f"{TOKEN}\n", f"  {TOKEN}\r\n", "x", "x" * LONGEST])
def test_a_token_is_what_stands_there_without_the_space_around_it(content: str, tmp_path: Path) -> None:
    assert read(private(tmp_path / "token", content.encode())) == content.strip()


BAD = {
    "empty": b"",
    "blank": b" \n\n",
    "two lines": f"{TOKEN}\n{TOKEN}\n".encode(),
    "no text": b"\xff\xfe" + TOKEN.encode("utf-16-le"),
    "a byte order mark": b"\xef\xbb\xbf" + TOKEN.encode(),
    "beyond ASCII": f"{TOKEN}é".encode(),
    "NUL": TOKEN.encode() + b"\0",
    "too long": b"x" * (LONGEST + 1),
    "a video": os.urandom(1 << 20),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_can_be_no_token_is_refused_without_repeating_it(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(private(tmp_path / "token", content))
    assert re.search("the token is (empty or holds characters no token has|longer than 4,096)", str(caught.value))
    assert "Tk0" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere", "folder", "a\0b", "x" * 300])
def test_a_file_that_can_not_be_read_is_refused_without_its_name_which_may_be_the_token(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="the token file can't be read") as caught:
        read(f"{tmp_path}/{name}")
    assert name[:5] not in str(caught.value)


def test_of_a_file_without_end_no_more_is_read_than_tells() -> None:
    with pytest.raises(UsageError, match="empty or holds characters"):
        read("/dev/zero")


def test_a_pipe_will_do_as_shells_make_them_of_a_commands_output() -> None:
    out, into = os.pipe()
    os.write(into, TOKEN.encode())
    os.close(into)
    try:
        assert read(f"/dev/fd/{out}") == TOKEN
    finally:
        os.close(out)


@pytest.mark.parametrize("said", [TOKEN.encode() + b"\n", b"\xff\xfe\n", b"", b"x" * 10_000])
def test_from_stdin_a_line_is_read(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(said), encoding="utf-8"))
    if said.startswith(b"Tk0"):
        assert read("-") == TOKEN
    else:
        with pytest.raises(UsageError, match="the token is"):
            read("-")


def test_a_stdin_that_is_closed_is_a_usage_error(tmp_path: Path) -> None:
    closed = ["sh", "-c", 'exec "$@" <&-', "sh"]
    command = [*closed, *COMMAND, "run", "acme", "-o", str(tmp_path / "out"), "--token-file", "-"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 2
    assert "stdin" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_longest_token_that_is_taken_is_hidden_all_the_same() -> None:
    token = "".join(chr(33 + number % 94) for number in range(LONGEST))
    account = load_account("acme", {"ZENDESK_EMAIL": "a@b.example"}, token=token)
    assert isinstance(account.credentials, ApiToken)
    assert account.hiding.words(f"no {token}!") == WITHHELD


@pytest.mark.parametrize("text", ["x" * (LONGEST + 1), "", "\n"])
def test_no_secret_is_made_of_what_can_be_none(text: str) -> None:
    with pytest.raises(UsageError):
        Secret(text)
