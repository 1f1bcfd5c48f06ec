"""The sandbox as a server: real processes, real sockets."""

from __future__ import annotations

import gzip
import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from exporter.sandbox import Population
from tests.support.sandbox_process import TIMEOUT, SandboxProcess

PAGE = "/api/v2/users?page[size]=100"
GZIP = {"Accept-Encoding": "gzip, deflate"}


class Response(NamedTuple):
    """What came back: repeated headers are joined by commas."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def get(url: str, path: str = PAGE, headers: dict[str, str] | None = None, method: str = "GET") -> Response:
    """Make one request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read())
    finally:
        connection.close()


def raw(url: str, headers: dict[str, str] | None = None, version: str = "1.1") -> bytes:
    """Make one request and return all that comes, as it comes, until the server closes."""
    address = urlsplit(url)
    fields = {"Host": address.netloc, **(headers or {})}
    lines = [f"GET {PAGE} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    with socket.create_connection((address.hostname, address.port), timeout=TIMEOUT) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return connection.makefile("rb").read()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SandboxProcess("--users", "500", "--rate-limit", "1000000") as sandbox:
        yield sandbox.url


def test_a_page_holds_the_users_of_the_population(url: str) -> None:
    users = list(Population(500).users())[:100]
    assert get(url).body.startswith(b'{"users":[' + b",".join(users) + b'],"meta":{')


def test_links_begin_with_the_printed_url_whatever_host_was_called(url: str) -> None:
    page = json.loads(get(url, headers={"Host": "localhost:1"}).body)
    assert page["links"]["next"].startswith(f"{url}/api/v2/users?page%5Bafter%5D=")


def test_a_page_is_compressed_and_chunked(url: str) -> None:
    response = get(url, headers=GZIP)
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in response.headers
    assert gzip.decompress(response.body) == get(url).body


def test_a_client_that_takes_no_gzip_gets_none(url: str) -> None:
    response = get(url)
    assert "content-encoding" not in response.headers
    assert response.headers["transfer-encoding"] == "chunked"


def test_a_compressed_page_takes_a_tenth_of_its_size(url: str) -> None:
    assert 8_000 < len(get(url, headers=GZIP).body) < 20_000


def test_an_error_comes_with_its_length(url: str) -> None:
    response = get(url, "/api/v2/users?page[size]=101", GZIP)
    assert response.status == 400
    assert int(response.headers["content-length"]) == len(response.body)


def test_a_client_of_http_1_0_gets_no_chunks(url: str) -> None:
    head, _, body = raw(url, version="1.0").partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body == get(url).body


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-type", "application/json; charset=utf-8"),
        ("server", "cloudflare"),
        ("cache-control", "max-age=0, private, must-revalidate"),
        ("x-zendesk-api-version", "v2"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-rate-limit", "1000000"),
        ("ratelimit-limit", "1000000"),
    ],
)
def test_a_page_has_the_headers_of_the_service(url: str, name: str, value: str) -> None:
    assert get(url).headers[name] == value


@pytest.mark.parametrize(
    "name",
    [
        "etag",
        "x-runtime",
        "cf-ray",
        "set-cookie",
        "strict-transport-security",
        "x-zendesk-application-version",
        "x-zendesk-origin-server",
        "x-zendesk-api-gateway",
        "x-zendesk-zorg",
        "ratelimit-remaining",
        "ratelimit-reset",
        "x-rate-limit-remaining",
    ],
)
def test_a_page_has_the_headers_of_the_service_by_name(url: str, name: str) -> None:
    assert get(url).headers[name]


def test_the_id_of_a_request_is_there_twice(url: str) -> None:
    assert len(get(url).headers.get_all("x-request-id", [])) == 2


def test_no_endpoint_has_a_limit_of_its_own(url: str) -> None:
    assert not [name for name in get(url).headers if name.lower().startswith("zendesk-rate")]


def test_unknown_parameters_are_reported(url: str) -> None:
    assert '"shoe"' in get(url, f"{PAGE}&shoe=44").headers["x-zendesk-api-warn"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(url: str, method: str) -> None:
    assert get(url, method=method).status == 404


def test_a_path_may_be_percent_encoded(url: str) -> None:
    assert get(url, "/api/v2/user%73?page%5Bsize%5D=1").status == 200


def test_only_the_loopback_address_itself_is_served(url: str) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", urlsplit(url).port or 0), timeout=TIMEOUT)


def test_over_the_limit_there_is_plain_text_and_the_seconds_to_wait() -> None:
    with SandboxProcess("--users", "10", "--rate-limit", "2") as sandbox:
        responses = [get(sandbox.url) for _ in range(3)]
        assert [response.status for response in responses] == [200, 200, 429]
        assert [response.headers["x-rate-limit-remaining"] for response in responses] == ["1", "0", "0"]
        refused = responses[-1]
        assert refused.body == b"Number of allowed API requests per minute exceeded"
        assert refused.headers["content-type"].startswith("text/plain")
        assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        stats = sandbox.stats()
        assert (stats["limited"], stats["most_in_window"], stats["statuses"]) == (1, 3, {"200": 2, "429": 1})


def test_every_path_of_the_api_counts_against_the_limit_and_no_other_does() -> None:
    with SandboxProcess("--users", "10", "--rate-limit", "2") as sandbox:
        paths = ["/", "/_sandbox/stats", "/api/v2/nothing", "/api/v2/users/me.json", "/api/v2/users/count"]
        assert [get(sandbox.url, path).status for path in paths] == [404, 200, 404, 200, 429]


def test_without_a_limit_there_are_no_headers_of_one() -> None:
    with SandboxProcess("--users", "10", "--rate-limit", "off") as sandbox:
        assert not [name for name in get(sandbox.url).headers if "rate" in name.lower()]


def test_statistics_need_no_credentials_and_tell_what_was_asked() -> None:
    with SandboxProcess("--users", "10", "--token", "secret", "--fault", "500@n:2") as sandbox:
        paths = [f"/api/v2/users{rest}" for rest in ("?page[size]=1", "/count?role=agent", "?page[size]=2")]
        for path in paths:
            get(sandbox.url, path, {"Authorization": "Bearer secret"})
        stats = sandbox.stats()
        assert stats["queries"] == paths
        assert stats["requests"] == 3
        assert stats["faults"] == {"500": 1}
        assert stats["statuses"] == {"200": 2, "500": 1}


def test_a_count_comes_when_it_likes_and_moves_no_page_to_another_number() -> None:
    count, page = "/api/v2/users/count", "/api/v2/users?page[size]=1"
    flags = ("--fault", "500@first:1", "--fault", "502@n:2,3", "--fault", "503@from:4")
    with SandboxProcess("--users", "10", *flags) as sandbox:
        answers = [get(sandbox.url, path).status for path in (count, count, page, count, page, page, count, page)]
    assert answers == [200, 200, 500, 200, 502, 502, 503, 503]  # what has begun for good is met by counts, too


def test_latency_holds_up_nobody_else() -> None:
    with SandboxProcess("--users", "10", "--latency", "500ms", "--jitter", "10ms") as sandbox:
        with ThreadPoolExecutor(8) as threads:
            responses = list(threads.map(lambda _: get(sandbox.url), range(8)))
        assert sandbox.stats()["most_under_way"] == 8
        assert all(0.5 <= float(response.headers["x-runtime"]) < 0.51 for response in responses)


def test_a_reset_is_a_reset() -> None:
    with SandboxProcess("--users", "10", "--fault", "reset@n:1") as sandbox:
        with pytest.raises(ConnectionResetError):
            raw(sandbox.url)
        assert get(sandbox.url).status == 200
        assert sandbox.stats()["statuses"] == {"reset": 1, "200": 1}


@pytest.mark.parametrize("headers", [{}, GZIP])
def test_a_truncated_body_ends_in_the_middle_of_a_chunk(headers: dict[str, str]) -> None:
    with SandboxProcess("--users", "500", "--fault", "truncate@n:1") as sandbox:
        head, _, body = raw(sandbox.url, headers).partition(b"\r\n\r\n")
        whole = get(sandbox.url, headers=headers).body
    announced, _, part = body.partition(b"\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert int(announced, 16) == len(whole)
    assert part == whole[: len(whole) // 2]


def test_html_comes_as_a_page_for_people_with_status_200() -> None:
    with SandboxProcess("--users", "10", "--fault", "html@every:2") as sandbox:
        responses = [get(sandbox.url) for _ in range(2)]
        assert [response.status for response in responses] == [200, 200]
        assert responses[1].headers["content-type"].startswith("text/html")
        assert responses[1].body.startswith(b"<!DOCTYPE html>")


def test_faults_are_for_what_an_export_asks_for_alone() -> None:
    with SandboxProcess("--users", "10", "--fault", "500@from:1") as sandbox:
        paths = ["/api/v2/users", "/api/v2/users/count.json", "/api/v2/users/me", "/api/v2/nothing"]
        assert [get(sandbox.url, path).status for path in paths] == [500, 500, 500, 404]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_and_quietly_whatever_is_under_way(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "exporter", "sandbox", "--port", "0", "--users", "10", "--latency", "60s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().strip())
        with socket.create_connection((address.hostname, address.port), timeout=TIMEOUT) as connection:
            connection.sendall(b"GET /api/v2/users HTTP/1.1\r\nHost: x\r\n\r\n")
            while not json.loads(get(address.geturl(), "/_sandbox/stats").body)["requests"]:
                pass
            process.send_signal(number)
            out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


def test_the_first_line_is_the_url_and_nothing_follows() -> None:
    with SandboxProcess("--users", "10") as sandbox:
        get(sandbox.url)
        sandbox.process.terminate()
        out, _ = sandbox.process.communicate(timeout=TIMEOUT)
    assert sandbox.url == f"http://127.0.0.1:{urlsplit(sandbox.url).port}"
    assert out == ""
