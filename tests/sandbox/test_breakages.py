"""Refusals and broken deliveries, as a client sees them on its socket."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from time import monotonic, time
from urllib.parse import urlsplit

import pytest

from exporter.sandbox.endpoint.cursors import Codec
from exporter.sandbox.faults.refusals import HOSTILE
from tests.sandbox.test_incremental import EXPORT
from tests.sandbox.test_server import GZIP, PAGE, Response, get, raw
from tests.support.sandbox_account import by_cursor
from tests.support.sandbox_process import TIMEOUT, SandboxProcess


def struck(*kinds: str, path: str = PAGE, headers: dict[str, str] | None = None) -> list[Response]:
    """Return what kinds of faults make of a request, one after the other."""
    script = [flag for number, kind in enumerate(kinds, 1) for flag in ("--fault", f"{kind}@n:{number}")]
    with SandboxProcess("--users", "50", *script) as sandbox:
        responses = [get(sandbox.url, path, headers) for _ in kinds]
        assert sandbox.stats()["faults"] == Counter(kind.partition(":")[0] for kind in kinds)
        assert sandbox.stats()["statuses"] == Counter(str(response.status) for response in responses)
        assert get(sandbox.url, path).status == 200
        return responses


@contextmanager
def struck_socket(kind: str, headers: str = "") -> Iterator[tuple[socket.socket, SandboxProcess]]:
    """Send a request that a kind strikes, and yield the connection."""
    with SandboxProcess("--users", "50", "--fault", f"{kind}@n:1") as sandbox:
        address = urlsplit(sandbox.url)
        with socket.create_connection((address.hostname, address.port), timeout=TIMEOUT) as connection:
            connection.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
            yield connection, sandbox


# Refusals


def test_a_refusal_says_how_long_to_wait() -> None:
    says = {
        "429": "1",
        "429:30": "30",
        "429-negative": "-1",
        "429-huge": "1000000000",
        "429-garbage": "in a while",
        "429-bare": None,
        "429-edge": None,
        "429-html": None,
        "503": None,
        "503:7": "7",
    }
    for (kind, expected), response in zip(says.items(), struck(*says), strict=True):
        assert response.status == int(kind[:3])
        assert response.headers.get("retry-after") == expected


def test_the_time_to_wait_can_be_a_date() -> None:
    earliest = int(time())
    responses = struck("429-date", "429-date:90")
    for seconds, response in zip((2, 90), responses, strict=True):
        until = parsedate_to_datetime(response.headers["retry-after"]).timestamp()
        assert response.status == 429
        assert earliest + seconds <= until <= time() + seconds


def test_a_date_to_wait_for_is_by_the_servers_clock() -> None:
    with SandboxProcess("--users", "5", "--clock-skew", "1000", "--fault", "429-date:5@n:1") as sandbox:
        headers = get(sandbox.url).headers
        told = [parsedate_to_datetime(headers[name]).timestamp() for name in ("retry-after", "date")]
    assert 4 <= told[0] - told[1] <= 5
    assert told[1] > time() + 900


def test_somebody_else_answers_with_a_page_for_people() -> None:
    kinds = {"429-html": 429, "502": 502, "520": 520, "524": 524, "html": 200}
    for status, response in zip(kinds.values(), struck(*kinds), strict=True):
        assert response.status == status
        assert response.headers["content-type"].startswith("text/html")
        assert response.body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("headers", [{}, GZIP])
def test_there_can_be_nothing_at_all(headers: dict[str, str]) -> None:
    for status, response in zip((200, 204), struck("empty", "204", headers=headers), strict=True):
        assert (response.status, response.body) == (status, b"")
        assert "content-encoding" not in response.headers
        assert "transfer-encoding" not in response.headers


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/api/v2/users?{by_cursor(after=Codec('id').encode(1))}", "page[after]"),
        (f"{EXPORT}?cursor=MS4wfHwxfA==", "cursor"),
    ],
)
def test_a_good_cursor_can_be_refused(path: str, name: str) -> None:
    responses = struck("cursor-refused", "cursor-refused:422", path=path)
    expected = {"errors": [{"code": "InvalidPaginationParameter", "title": f"{name} is not valid"}]}
    assert [response.status for response in responses] == [400, 422]
    assert [json.loads(response.body) for response in responses] == [expected, expected]


def test_without_a_cursor_none_is_refused() -> None:
    (response,) = struck("cursor-refused")
    assert response.status == 200


def test_a_hostile_error_holds_what_terminals_obey() -> None:
    escaped, bare = struck("hostile-error", "hostile-error:503")
    assert (escaped.status, bare.status) == (400, 503)
    assert json.loads(escaped.body)["errors"][0]["title"] == bare.body.decode() == HOSTILE
    assert {"\x1b", "\x07", "\x9b", "\u202e", "\r"} <= set(HOSTILE)


def test_a_redirect_leads_to_the_same_path_on_another_host() -> None:
    statuses = 301, 302, 303, 307, 308
    responses = struck("redirect", *(f"redirect:{status}" for status in statuses))
    assert [response.status for response in responses] == [302, *statuses]
    for response in responses:
        target = urlsplit(response.headers["location"])
        assert target.hostname == "localhost"
        assert f"{target.path}?{target.query}" == PAGE


def test_who_follows_to_the_other_host_is_seen() -> None:
    with SandboxProcess("--users", "50", "--fault", "redirect@n:1") as sandbox:
        target = urlsplit(get(sandbox.url).headers["location"])
        get(sandbox.url, headers={"Host": target.netloc})
        assert sandbox.stats()["hosts"] == {urlsplit(sandbox.url).netloc: 1, target.netloc: 1}


# Deliveries


def test_silence_is_a_connection_on_which_nothing_comes() -> None:
    with struck_socket("silent") as (connection, sandbox):
        while not sandbox.stats()["statuses"]:
            pass
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert sandbox.stats()["statuses"] == {"silent": 1}
        assert get(sandbox.url).status == 200  # nobody else waits


def test_a_connection_can_be_closed_without_an_answer() -> None:
    with struck_socket("close") as (connection, sandbox):
        assert connection.recv(1) == b""
        assert sandbox.stats()["statuses"] == {"close": 1}


@pytest.mark.parametrize("headers", ["", "Accept-Encoding: gzip\r\n"])
def test_a_short_body_ends_before_its_length(headers: str) -> None:
    with struck_socket("short", headers) as (connection, _), connection.makefile("rb") as reader:
        head = dict(line.lower().split(b": ", 1) for line in list(iter(reader.readline, b"\r\n"))[1:])
        assert (head.get(b"content-encoding") == b"gzip\r\n") == bool(headers)
        assert b"transfer-encoding" not in head
        assert len(reader.read()) == int(head[b"content-length"]) // 2


def test_an_unbounded_body_is_cut_gzip_and_ends_where_the_connection_does() -> None:
    with struck_socket("unbounded") as (connection, _), connection.makefile("rb") as reader:
        head = b"".join(iter(reader.readline, b"\r\n")).lower()
        assert head.startswith(b"http/1.1 200 ok\r\n")
        assert b"content-length" not in head
        assert b"transfer-encoding" not in head
        inflater = zlib.decompressobj(31)
        assert inflater.decompress(reader.read()).startswith(b'{"users":[')
        assert not inflater.eof


@pytest.mark.parametrize("headers", ["", "Accept-Encoding: gzip\r\n"])
def test_a_stall_is_half_of_a_body_and_then_nothing(headers: str) -> None:
    with struck_socket("stall", headers) as (connection, sandbox), connection.makefile("rb") as reader:
        head = [line.lower() for line in iter(reader.readline, b"\r\n")]
        assert head[0] == b"http/1.1 200 ok\r\n"
        assert (b"content-encoding: gzip\r\n" in head) == bool(headers)
        announced = int(reader.readline(), 16)
        assert len(reader.read(announced // 2)) == announced // 2
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert get(sandbox.url).status == 200


@pytest.mark.parametrize("kind", ["silent", "stall", "drip:1"])
def test_when_the_client_goes_the_request_is_over(kind: str) -> None:
    with struck_socket(kind) as (connection, sandbox):
        while not sandbox.stats()["statuses"]:
            pass
        assert sandbox.stats()["under_way"] == 1
        connection.close()
        started = monotonic()
        while sandbox.stats()["under_way"]:
            assert monotonic() < started + TIMEOUT


def test_a_drip_is_a_few_bytes_at_a_time() -> None:
    with SandboxProcess("--users", "1", "--fault", "drip:8000@n:1") as sandbox:
        started = monotonic()
        dripped = get(sandbox.url)
        took = monotonic() - started
        assert dripped.body == get(sandbox.url).body
        assert took > len(dripped.body) / 8_000 * 0.7
    with struck_socket("drip") as (connection, _), connection.makefile("rb") as reader:
        while reader.readline() != b"\r\n":
            pass
        chunks = [(reader.readline(), reader.readline()) for _ in range(3)]
        assert b"".join(body.strip() for _, body in chunks) == b'{"users":[{"id"'
        assert {size for size, _ in chunks} == {b"5\r\n"}


@pytest.mark.parametrize("headers", [{}, GZIP])
def test_bad_gzip_does_not_inflate(headers: dict[str, str]) -> None:
    (response,) = struck("badgzip", headers=headers)
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["transfer-encoding"] == "chunked"
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(response.body)


def test_cut_gzip_ends_in_the_middle_of_a_body_that_ends_well() -> None:
    (response,) = struck("cutgzip", headers=GZIP)  # a body that did not end well would raise IncompleteRead
    assert response.headers["content-encoding"] == "gzip"
    inflater = zlib.decompressobj(31)
    part = inflater.decompress(response.body)
    assert part.startswith(b'{"users":[')
    assert not inflater.eof


@pytest.mark.parametrize(("kind", "mebibytes"), [("bomb", 200), ("bomb:3", 3)])
def test_a_bomb_inflates_a_thousandfold_into_a_good_page_and_blanks(kind: str, mebibytes: int) -> None:
    (response,) = struck(kind, headers=GZIP)
    assert len(response.body) < mebibytes * 1_200 + 20_000
    inflater = zlib.decompressobj(31)
    body, length = inflater.decompress(response.body, 1 << 20), 1 << 20
    while inflater.unconsumed_tail:
        length += len(inflater.decompress(inflater.unconsumed_tail, 1 << 20))
    length += len(inflater.flush())
    assert inflater.eof  # so the checksum is right too
    page = body.rstrip(b" ")
    assert len(json.loads(page)["users"]) == 50
    assert length == len(page) + (mebibytes << 20)


def test_a_truncated_body_cannot_be_read_to_its_end() -> None:
    with SandboxProcess("--users", "50", "--fault", "truncate@n:1") as sandbox:
        with pytest.raises(http.client.IncompleteRead):
            get(sandbox.url)


def test_clients_of_http_1_0_get_the_same_without_chunks() -> None:
    kinds = ["truncate", "badgzip", "cutgzip", "bomb:1", "drip:1000000"]
    script = [flag for number, kind in enumerate(kinds, 2) for flag in ("--fault", f"{kind}@n:{number}")]
    with SandboxProcess("--users", "50", *script) as sandbox:
        honest, *others = (raw(sandbox.url, version="1.0").partition(b"\r\n\r\n") for _ in range(6))
    assert all(head.startswith(b"HTTP/1.0 200 OK\r\n") and b"chunked" not in head.lower() for head, _, _ in others)
    truncated, bad, cut, bomb, dripped = (body for _, _, body in others)
    whole = honest[2]
    assert truncated == whole[: len(whole) // 2]
    assert bad == dripped == whole
    assert whole.startswith(zlib.decompressobj(31).decompress(cut))
    assert gzip.decompress(bomb).rstrip(b" ") == whole


def test_nothing_is_said_of_clients_that_went_away() -> None:
    script = ["--fault", "drip:100@n:1", "--fault", "stall@n:2", "--fault", "silent@n:3"]
    command = [sys.executable, "-m", "exporter", "sandbox", "--port", "0", "--users", "50", *script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        for number in range(1, 4):
            with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=TIMEOUT) as connection:
                connection.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                while sum(json.loads(get(url, "/_sandbox/stats").body)["statuses"].values()) < number:
                    pass
        while json.loads(get(url, "/_sandbox/stats").body)["under_way"]:
            pass
        process.terminate()
        assert process.communicate(timeout=TIMEOUT) == ("", "")
