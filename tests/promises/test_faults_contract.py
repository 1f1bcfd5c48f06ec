"""Faults 17 to 20: a server that breaks its contract.

17 pretty-printed pages and raw line breaks; 18 links that lead elsewhere; 19 redirects; 20 cursors that do not advance
or go in a circle, ids that descend, a null cursor, no `meta`; and the empty page that is no fault, but the end.
"""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from exporter import Options, Query, Role, export_users
from exporter.api import retry
from tests.support.command_line import Ended, command, run
from tests.support.sandbox_farm import Sandbox, SandboxFarm
from tests.support.stub_server import StubServer, page_of
from tests.support.zexport_process import expected_lines, lines, role_files, sorted_lines

USERS = 700
"""Seven pages of end users."""
CHAIN = ("--role", "end-user", "--ranges", "off")
"""One page after the other, then the closing sweep's."""


@pytest.fixture(autouse=True)
def no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "BASE", 0.0)  # how often is asked again matters here, not how soon


def manifest_of(out: Path) -> dict[str, Any] | None:
    """Return the manifest of a file, None if there is none."""
    path = out.with_name(out.name + ".zexport") / "manifest.json"
    return json.loads(path.read_text()) if path.exists() else None


def check_nothing_is_called_complete(out: Path, done: Ended) -> None:
    assert "Traceback" not in done.said
    assert manifest_of(out) is None
    assert command("verify", out).code == 8
    assert not out.exists()  # only `.partial` is there


# 17: one physical line a user, whatever the server's layout.


@pytest.mark.parametrize("place", ["users.meta.cursor", "users.meta.page.cursor", "users.cursor", "meta.item_cursors"])
def test_pages_set_in_lines_make_one_line_a_user_wherever_item_cursors_stand(
    farm: SandboxFarm, place: str, tmp_path: Path
) -> None:
    sandbox = farm.open("--users", str(USERS), "--item-cursors", place, "--fault", "pretty@from:1")
    assert run(sandbox, tmp_path).code == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(USERS)


def test_a_bare_line_break_in_a_name_is_escaped_and_keeps_its_value(farm: SandboxFarm, tmp_path: Path) -> None:
    out, sandbox = tmp_path / "out.ndjson", farm.open("--users", str(USERS), "--fault", "newline@every:2")
    assert run(sandbox, out, *CHAIN).code == 0
    got, plain = lines(out), set(expected_lines(USERS, "end-user"))
    changed = [json.loads(line) for line in got if line not in plain]
    assert changed
    assert all(user["name"].startswith("\r\n") for user in changed)
    assert b"\r" not in out.read_bytes()
    assert {json.loads(line)["id"] for line in got} == {json.loads(line)["id"] for line in plain}
    assert len(got) == len(plain)
    assert command("verify", out).code == 0


# 18: nothing that a server supplies as an address is ever asked for.


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """Listen where nobody should ever come; whoever comes waits in the backlog, and is seen by `accept`."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setblocking(False)
        yield listener
        with pytest.raises(BlockingIOError):
            listener.accept()


PATH = "/api/v2/users.json?page%5Bafter%5D=2"
LINKS = [
    "http://127.0.0.1:{trap}" + PATH,
    "http://localhost:{trap}" + PATH,
    "https://127.0.0.1:{trap}" + PATH,
    "//127.0.0.1:{trap}" + PATH,
    "{origin}@127.0.0.1:{trap}" + PATH,
    "http://user:secret@127.0.0.1:{trap}" + PATH,
    "http://127.0.0.1:{trap}\\@{host}" + PATH,
    "HTTP://127.0.0.1:{trap}/\x1b[31m\u202e",
    "http://[::ffff:127.0.0.1]:{trap}" + PATH,
    "http://127.0.0.1:{trap}:80:80/",
    "\\\\127.0.0.1:{trap}",
    "http:\\/\\/127.0.0.1:{trap}" + PATH,
]


@pytest.mark.parametrize("link", LINKS)
def test_a_link_to_another_place_is_never_followed_and_is_told_of(
    link: str, trap: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.ndjson"
    monkeypatch.setenv("ZENDESK_OAUTH_TOKEN", "hush-hush-hush")
    with StubServer() as server:
        where = {"origin": server.url, "host": server.url.removeprefix("http://"), "trap": trap.getsockname()[1]}
        server.pages = [page_of(range(each, each + 2), each < 4, next=link.format(**where)) for each in (2, 4)]
        done = run(server.url, out, "--role", "agent", "--no-sweep", "-v")
    assert done.code == 0, done.said
    assert lines(out) == [b'{"id":%d,"role":"agent"}\n' % each for each in (2, 3, 4, 5)]
    manifest = manifest_of(out)
    assert manifest is not None
    (warning,) = manifest["warnings"]
    assert "none was followed" in warning
    assert warning.isprintable()
    assert "hush" not in done.said + out.with_name("out.ndjson.zexport").joinpath("manifest.json").read_text()
    assert server.hosts == {where["host"]}


def test_a_link_to_another_path_of_the_account_is_never_followed(tmp_path: Path) -> None:
    with StubServer() as server:
        server.pages = [page_of([1], True, next=f"{server.url}/api/v2/users/1/delete"), page_of([2], False)]
        assert run(server.url, tmp_path / "out.ndjson", "--role", "agent", "--no-sweep").code == 0
    assert server.paths == {"/api/v2/users", "/api/v2/users/count", "/api/v2/users/me"}


def test_a_foreign_host_in_every_link_of_an_account_is_one_warning(farm: SandboxFarm, tmp_path: Path) -> None:
    out, sandbox = tmp_path / "out.ndjson", farm.open("--users", str(USERS), "--fault", "foreign@from:1")
    assert run(sandbox, out).code == 0
    assert sorted(lines(out)) == sorted(expected_lines(USERS))
    port = sandbox.url.rpartition(":")[2]
    manifest = manifest_of(out)
    assert manifest is not None
    assert manifest["warnings"] == [
        f"links of the server led to localhost:{port}, not to the account; none was followed"
    ]
    assert sandbox.stats()["hosts"] == {f"127.0.0.1:{port}": sandbox.stats()["requests"]}


# 19: a redirect is an answer, and never a way.


@pytest.mark.parametrize("status", ["301", "308"])
def test_a_redirect_is_not_followed_and_the_run_can_go_on_once_it_is_mended(
    farm: SandboxFarm, status: str, tmp_path: Path
) -> None:
    out, sandbox = tmp_path / "out.ndjson", farm.open("--users", str(USERS), "--fault", f"redirect:{status}@n:3")
    done = run(sandbox, out, *CHAIN)
    assert done.code == 4
    assert f"HTTP {status} to http://localhost:" in done.said
    assert "page%5B" not in done.said
    assert (len(sandbox.asked()), len(sandbox.stats()["hosts"])) == (4, 1)  # asked once, and never elsewhere
    check_nothing_is_called_complete(out, done)
    assert run(sandbox, out, *CHAIN).code == 0
    assert sorted(lines(out)) == expected_lines(USERS, "end-user")


def test_where_a_redirect_leads_is_told_without_what_could_be_a_secret_or_harm_a_terminal(
    trap: socket.socket, tmp_path: Path
) -> None:
    with StubServer() as server:
        server.redirect = f"http://127.0.0.1:{trap.getsockname()[1]}/login\x9b31m\xe9#token=secret?token=secret"
        done = run(server.url, tmp_path / "out.ndjson", "--role", "agent")
        requests = server.requests
    assert done.code == 4
    assert f"to http://127.0.0.1:{trap.getsockname()[1]}/login" in done.said
    assert "secret" not in done.said
    assert "\x9b" not in done.said
    assert requests <= 5  # the count, the first page, and three looks


# 20: a walk that gets nowhere is met within a page, and nothing is called complete.

WORDS = {
    "loop": "begins with",
    "descending": "do not come by ascending id",
    "descent": "do not come by ascending id",
    "nullcursor": "gives no cursor to go on from",
    "nometa": "has no meta",
}
"""Answers that are no page, or contradict themselves or what is known: any may be a hiccup."""


@pytest.mark.parametrize("kind", WORDS)
def test_a_walk_that_gets_nowhere_ends_within_a_page_with_7(farm: SandboxFarm, kind: str, tmp_path: Path) -> None:
    out, sandbox = tmp_path / "out.ndjson", farm.open("--users", str(USERS), "--fault", f"{kind}@from:3")
    done = run(sandbox, out, *CHAIN)
    assert done.code == 7
    assert WORDS[kind] in done.said
    assert sandbox.stats()["faults"] == {kind: retry.NOT_A_PAGE_TRIES}
    assert len(sandbox.asked()) == 3 + retry.NOT_A_PAGE_TRIES  # two pages, and what is before the first
    check_nothing_is_called_complete(out, done)
    partial = lines(out.with_name("out.ndjson.partial"))
    assert partial == expected_in_order()[:199]  # two good pages, of which the second begins with the last of the first


def test_a_walk_that_is_led_back_goes_on_by_its_users_own_cursors(farm: SandboxFarm, tmp_path: Path) -> None:
    out, sandbox = tmp_path / "out.ndjson", farm.open("--users", str(USERS), "--fault", "stuck@from:3")
    assert run(sandbox, out, *CHAIN).code == 0
    assert lines(out) == expected_in_order()
    manifest = manifest_of(out)
    assert manifest is not None
    assert manifest["proof"]["odd_cursors"] > 3
    assert any("whose own were used" in each for each in manifest["warnings"])


def expected_in_order() -> list[bytes]:
    return sorted(expected_lines(USERS, "end-user"), key=lambda line: int(json.loads(line)["id"]))


@pytest.mark.parametrize("kind", WORDS)
def test_once_the_server_keeps_its_contract_the_same_run_completes(
    farm: SandboxFarm, kind: str, tmp_path: Path
) -> None:
    out, sandbox = tmp_path / "out.ndjson", farm.open("--users", str(USERS), "--fault", f"{kind}@n:3")
    assert run(sandbox, out, *CHAIN).code == 0  # a hiccup is asked about again
    assert lines(out) == expected_in_order()
    assert command("verify", out).code == 0


@pytest.mark.parametrize(("kind", "asked"), {"loop": 1, "stuck": 1, "nullcursor": 4, "nometa": 4}.items())
def test_in_another_order_too_a_walk_that_gets_nowhere_ends_and_repeats_nobody(
    farm: SandboxFarm, kind: str, asked: int, tmp_path: Path
) -> None:
    out, sandbox = tmp_path / "out.ndjson", farm.open("--users", str(USERS), "--fault", f"{kind}@from:3")
    done = run(sandbox, out, *CHAIN, "--sort", "name")
    assert done.code == 7
    assert len(sandbox.asked()) == 2 + asked
    check_nothing_is_called_complete(out, done)
    partial = lines(out.with_name("out.ndjson.partial"))
    assert len(set(partial)) == len(partial)


@pytest.mark.parametrize("kind", WORDS)
def test_with_ranges_too_nothing_is_called_complete_and_the_next_run_is_exact(
    farm: SandboxFarm, kind: str, tmp_path: Path
) -> None:
    out, flags = tmp_path / "out.ndjson", ("--users", "2000", "--latency", "20ms")
    sandbox = farm.open(*flags, "--fault", f"{kind}@from:11")
    done = run(sandbox, out)
    assert done.code == 7
    assert sandbox.stats()["requests"] < 90
    check_nothing_is_called_complete(out, done)
    sandbox.reopen(*flags)
    assert run(sandbox, out).code == 0
    assert sorted(lines(out)) == sorted(expected_lines(2000))


def test_a_closing_sweep_that_gets_nowhere_takes_the_other_way(
    farm: SandboxFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.engine.changes.READABLE", -1)
    out, limits = tmp_path / "out.ndjson", ("--incremental-limit", "off", "--incremental-lag", "0")
    sandbox = farm.open("--users", "250", *limits, "--fault", "descending@from:5")
    options = Options(rate=1e6, ranges=1, lag=0.0)
    finished = anyio.run(partial(export_users, sandbox.url, out, Query(roles=(Role.END_USER,)), options=options))
    manifest = manifest_of(out)
    assert manifest is not None
    assert finished.complete
    assert manifest["sweep"]["by"].startswith("the incremental export (sort=-updated_at: it does not sort")
    assert sorted(lines(out)) == expected_lines(250, "end-user")


def test_where_nothing_is_a_page_any_more_the_closing_sweep_is_left_to_the_next_run(
    farm: SandboxFarm, tmp_path: Path
) -> None:
    out, sandbox = tmp_path / "out.ndjson", farm.open("--users", "250", "--fault", "nometa@from:5")
    done = run(sandbox, out, *CHAIN)
    assert done.code == 7
    check_nothing_is_called_complete(out, done)
    sandbox.reopen("--users", "250")
    assert run(sandbox, out, *CHAIN).code == 0
    assert sorted(lines(out)) == expected_lines(250, "end-user")


@pytest.mark.parametrize("query", [(), ("--sort", "name")], ids=["id", "name"])
def test_an_empty_page_behind_one_that_says_more_is_the_end(
    farm: SandboxFarm, query: tuple[str, ...], tmp_path: Path
) -> None:
    sandbox = farm.open("--users", str(USERS), "--quirk", "has-more-before-empty-page")
    assert run(sandbox, tmp_path, "--ranges", "off", *query).code == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(USERS)
    pages = Counter("end-user" in each for each in asked_of(sandbox))
    assert pages[True] <= 7 + 6  # of each: the last one twice, and whoever was last alone, until nobody is behind him
    assert pages[False] <= 2 + 2 * 6


def asked_of(sandbox: Sandbox) -> list[str]:
    return [each for each in sandbox.asked() if "/incremental/" not in each]
