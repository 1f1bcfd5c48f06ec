"""P9, fault 23: the token is in nothing that a run leaves behind, however it ends and whatever the server says."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

import exporter
from exporter import AuthError, ContractError, ExportError, NetworkError, Options, UsageError
from exporter.account.credentials import load_account
from exporter.account.hiding import PIECE
from tests.support.front_server import Asked, Front, Reply
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import AT_ONCE, COMMAND, FAST, environment, expected_lines, role_files, sorted_lines

USERS = 300
EMAIL, TOKEN = "jo+sé@b.example", 's3cr3t/T0ken+of=the%test"&'
"""Each character that some form escapes."""
ENV = {"ZENDESK_EMAIL": EMAIL, "ZENDESK_API_TOKEN": TOKEN}
ENCODED = b64encode(f"{EMAIL}/token:{TOKEN}".encode()).decode()
FORMS = [
    form for text in (TOKEN, ENCODED.rstrip("=")) for form in (text, quote(text, safe=""), text.replace("/", "\\/"))
]
SECRET = re.compile("|".join(map(re.escape, [*FORMS, TOKEN[:10], ENCODED[:20], ENCODED[-12:-2]])).encode())


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with SandboxProcess("--users", str(USERS), "--token", TOKEN, *FAST) as process:
        yield process.url


def _stops_answering(answer: Reply | None, after: int) -> Callable[[Asked], Reply | None]:
    """Pass requests on, and answer those behind a number with this."""
    return lambda asked: answer if asked.number > after else None


def _echo(asked: Asked, status: int = 401, form: Callable[[str], str] = str) -> Reply:
    """Refuse with all that came, as a debugging proxy does."""
    header = asked.headers["authorization"]
    plain = f"{EMAIL}/token:{TOKEN}"
    return Reply(status, form(f'{{"error": "not with {header}", "description": "{plain} {quote(plain)}"}}').encode())


def _left_behind(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _run(url: str, out: Path) -> tuple[int, bytes]:
    """Run to the end; return the exit code and all that was said."""
    command = [*COMMAND, "run", url, "-o", str(out), "-v", "--include", "groups", "--progress", "json", *AT_ONCE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(**ENV)) as process:
        assert process.stdout is not None
        first = process.stdout.readline()  # it runs
        assert not SECRET.search(Path(f"/proc/{process.pid}/cmdline").read_bytes())
        said = first + process.stdout.read()
    return process.returncode, said


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: None, 0),
        (_stops_answering(Reply(403, b'{"error": "Forbidden"}'), 5), 4),  # in mid-run
        (_echo, 4),
    ],
    ids=["complete", "403 in mid-run", "credentials echoed in a 401"],
)
def test_no_byte_of_the_token_is_left_behind(
    answer: Callable[[Asked], Reply | None], code: int, sandbox: str, tmp_path: Path
) -> None:
    with Front(sandbox, answer) as front:
        ended, said = _run(front.url, tmp_path)
    assert ended == code, said
    assert front.asked[0].headers["authorization"] == f"Basic {ENCODED}"
    assert (b"Traceback" in said) == bool(code)
    assert not SECRET.search(said)
    left = _left_behind(tmp_path)
    assert "ledger.db" in left
    assert not [name for name, content in left.items() if SECRET.search(content)]


def test_no_byte_of_the_token_is_left_behind_by_a_run_that_was_killed(sandbox: str, tmp_path: Path) -> None:
    with Front(sandbox) as front:
        process: subprocess.Popen[bytes]

        def kill(asked: Asked) -> None:
            if asked.number == 7:
                process.send_signal(signal.SIGKILL)

        command = [*COMMAND, "run", front.url, "-o", str(tmp_path), "-v", "--include", "groups", *AT_ONCE]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(**ENV), umask=0
        )
        front.answer = kill
        said, _ = process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL
        left = _left_behind(tmp_path)
        assert {"ledger.db", "ledger.db-wal", "ledger.db-shm", "lock"} <= set(left)
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()} == {0o600}
        assert not SECRET.search(said)
        assert not [name for name, content in left.items() if SECRET.search(content)]


@pytest.mark.parametrize("command", ["run", "estimate"])
def test_a_bug_is_told_with_its_traceback_and_1_and_no_token(command: str, sandbox: str, tmp_path: Path) -> None:
    script = """
import sys
from exporter.api import asker
from exporter.cli import main

async def ask(self, *args, **kwargs):
    raise RuntimeError(f"out of order: {vars(self)} {vars(self._connection)} \\x1b[31m")

asker.Asker.ask = ask
sys.exit(main())
"""
    arguments = [command, sandbox, *(["-o", str(tmp_path)] if command == "run" else [])]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment(**ENV), capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert b"a bug: RuntimeError: out of order" in said
    assert b"Traceback" in said
    assert b"\x1b" not in said
    assert not SECRET.search(said)


ESCAPES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "slashes": lambda text: text.replace("/", "\\/"),
    "unicode": lambda text: "".join(f"\\u{ord(each):04X}" if each in "/+=%&" else each for each in text),
    "percent": lambda text: quote(text, safe='{}": ,'),
    "html": lambda text: "<html><h1>" + "".join(f"&#x{ord(each):02x};" for each in text) + "</h1></html>",
}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ("plain", 400, UsageError),
        ("slashes", 401, AuthError),
        ("unicode", 422, UsageError),
        ("percent", 404, ContractError),
        ("html", 403, AuthError),
        ("plain", 503, NetworkError),
    ],
)
async def test_a_server_that_repeats_our_credentials_is_not_quoted_with_them(
    form: str, status: int, error: type[ExportError], tmp_path: Path
) -> None:
    seen: list[exporter.Event] = []
    with Front(answer=lambda asked: _echo(asked, status, ESCAPES[form])) as front:
        with pytest.raises(error) as caught:
            await exporter.export_users(
                load_account(front.url, ENV), tmp_path, options=Options(rate=1e6, patience=0.2), observer=seen.append
            )
    said = f"{caught.value!r} {seen}".encode()
    assert not SECRET.search(said)
    assert status == 503 or b"***" in said
    assert not [name for name, content in _left_behind(tmp_path).items() if SECRET.search(content)]


@pytest.mark.anyio
async def test_the_words_of_a_refusal_that_go_into_the_manifest_hold_no_token(sandbox: str, tmp_path: Path) -> None:
    # Where all ways to ask for changes are refused, the manifest says in the server's words why.
    def answer(asked: Asked) -> Reply | None:
        refused = "updated_at" in asked.target or "incremental" in asked.target or asked.target.count("role") > 1
        return _echo(asked, 400) if refused else None

    with Front(sandbox, answer) as front:
        finished = await exporter.export_users(load_account(front.url, ENV), tmp_path, options=Options(rate=1e6))
    assert "***" in finished.missing
    assert not SECRET.search((tmp_path / "manifest.json").read_bytes())


@pytest.mark.anyio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_its_target_is_told_without_our_credentials(
    status: int, tmp_path: Path
) -> None:
    with Front() as trap:

        def redirect(asked: Asked) -> Reply:
            to = f"http://localhost:{trap.port}/{quote(asked.headers['authorization'])}/\x1b[31m?{TOKEN}"
            return Reply(status, b"", {"Location": to})

        with Front(answer=redirect) as front, pytest.raises(AuthError, match="redirect") as caught:
            await exporter.export_users(load_account(front.url, ENV), tmp_path, options=Options(rate=1e6))
    assert trap.received == b""
    assert f"HTTP {status} to ***" in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert not SECRET.search(str(caught.value).encode())


@pytest.mark.anyio
async def test_a_link_that_bears_our_token_as_its_host_is_warned_of_without_it(sandbox: str, tmp_path: Path) -> None:
    host = re.sub("[^A-Za-z0-9]", "", TOKEN).upper()

    def answer(asked: Asked) -> Reply | None:
        if "/count" in asked.target:
            return None
        links = {"next": f"https://{host[:9]}.{host[9:]}.example/x"}
        page = {"users": [], "meta": {"has_more": False, "after_cursor": None, "before_cursor": None}, "links": links}
        return Reply(200, json.dumps(page).encode())

    seen: list[exporter.Event] = []
    with Front(sandbox, answer) as front:
        account, options = load_account(front.url, ENV), Options(rate=1e6, sweep=False)
        with suppress(ExportError):
            await exporter.export_users(account, tmp_path, options=options, observer=seen.append)
    left = _left_behind(tmp_path)
    assert b"links of the server led to ***" in left["manifest.json"]
    assert not [name for name, content in left.items() if host[:PIECE].encode() in content.upper()]
    assert host[:PIECE] not in repr(seen).upper()


@pytest.mark.anyio
async def test_a_time_that_is_our_header_is_not_quoted(sandbox: str, tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply | None:
        if "updated_at" not in asked.target and "incremental" not in asked.target and asked.target.count("role") < 2:
            return None
        user = {"id": 7, "role": "agent", "created_at": asked.headers["authorization"], "updated_at": TOKEN}
        meta = {"has_more": False, "after_cursor": "a", "before_cursor": "a"}
        return Reply(200, json.dumps({"users": [user], "meta": meta, "end_of_stream": True}).encode())

    with Front(sandbox, answer) as front:
        finished = await exporter.export_users(load_account(front.url, ENV), tmp_path, options=Options(rate=1e6))
    assert "does not say when he was changed" in finished.missing
    assert not [name for name, content in _left_behind(tmp_path).items() if SECRET.search(content)]


@pytest.mark.anyio
async def test_links_that_lead_elsewhere_are_never_asked_and_are_warned_of(sandbox: str, tmp_path: Path) -> None:
    with Front(sandbox) as front:  # the sandbox's links lead to itself, and that is another origin
        finished = await exporter.export_users(load_account(front.url, ENV), tmp_path, options=Options(rate=1e6))
    assert finished.complete
    assert any("links of the server led to" in warning for warning in finished.warnings)
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(USERS)
    assert {asked.headers["host"] for asked in front.asked} == {f"127.0.0.1:{front.port}"}


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
@pytest.mark.parametrize("linked", [False, True])
def test_a_token_file_that_others_can_read_is_warned_of(
    mode: int, warned: bool, linked: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from argparse import Namespace

    from exporter.cli.account import account_from

    path = named = tmp_path / "token\x1b[31m"
    path.write_text(f"{TOKEN}\n")
    path.chmod(mode)
    if linked:  # as Kubernetes mounts secrets: it is the file that counts
        named = tmp_path / "link"
        named.symlink_to(path)
    account = account_from(Namespace(account="acme", token_file=os.fspath(named), ca_file=None))
    assert account.credentials is not None
    assert TOKEN in account.credentials.secrets()
    said = capsys.readouterr().err
    assert ("others can read" in said) == warned
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "words", [["run", "acme", "--token", TOKEN], ["run", "acme", f"--token={TOKEN}"], ["run", "acme", f"-t{TOKEN}"]]
)
def test_a_token_that_is_given_as_a_flag_is_refused_without_repeating_it(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from exporter.cli import main

    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "there is no -" in said
    assert TOKEN[:6] not in said
