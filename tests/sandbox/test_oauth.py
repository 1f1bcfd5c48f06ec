"""The sandbox's OAuth: who gets which token, for how long, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from exporter.sandbox.endpoint.answers import Answer
from exporter.sandbox.oauth.consent import Consent
from exporter.sandbox.oauth.grants import Grants
from exporter.sandbox.oauth.guard import Guard
from exporter.sandbox.oauth.registry import Registry
from exporter.sandbox.settings import OAuthClient, Quirk, Settings
from tests.sandbox.test_server import Response, get
from tests.support.sandbox_process import TIMEOUT, SandboxProcess

BACK = "http://localhost:4100/back"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
SECRET = "hush"
PAGE = "/api/v2/users?page[size]=1"


class World:
    """A sandbox's OAuth without a server, on a clock that tests move."""

    def __init__(self, *quirks: Quirk, scopes: tuple[str, ...] = (), **settings: Any) -> None:
        clients = OAuthClient("cron", SECRET, (BACK,), scopes), OAuthClient("desk", None, (BACK,), scopes)
        self.now = 1_000_000.0
        self.noted: list[str] = []
        told = Settings(oauth_clients=clients, quirks=frozenset(quirks), **settings)
        self.registry = Registry(told, lambda: self.now)
        self.grants = Grants(told, self.registry, self.noted.append)
        self.guard = Guard(told, self.registry, lambda: self.noted.append("turned away"))
        self.consent = Consent(self.registry)

    def ask(self, **fields: object) -> tuple[int, dict[str, Any]]:
        answer = self.grants.answer("application/x-www-form-urlencoded", urlencode(fields).encode())
        return answer.status, json.loads(answer.body)

    def by_client(self, **fields: object) -> tuple[int, dict[str, Any]]:
        return self.ask(grant_type="client_credentials", client_id="cron", client_secret=SECRET, **fields)

    def consented(self, client: str = "desk", **fields: str) -> Answer:
        asked = {"response_type": "code", "client_id": client, "redirect_uri": BACK, "state": "s&t", **fields}
        return self.consent.decide(urlencode({**asked, "decision": "allow"}).encode())

    def code(self, **fields: str) -> str:
        answer = self.consented(code_challenge=CHALLENGE, code_challenge_method="S256", **fields)
        return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]

    def by_code(self, code: str, **fields: object) -> tuple[int, dict[str, Any]]:
        asked = {"redirect_uri": BACK, "code_verifier": VERIFIER, "client_id": "desk", **fields}
        return self.ask(grant_type="authorization_code", code=code, **asked)

    def by_refresh(self, token: str, **fields: object) -> tuple[int, dict[str, Any]]:
        return self.ask(**{"grant_type": "refresh_token", "refresh_token": token, "client_id": "desk", **fields})

    def opens(self, token: str, route: str = "/api/v2/users") -> int:
        refusal = self.guard.refusal(token, route)
        return refusal.status if refusal else 200


def test_a_confidential_client_gets_a_token_without_a_refresh_token() -> None:
    world = World()
    status, token = world.by_client(expires_in=600)
    assert (status, token["expires_in"], token["scope"], token["token_type"]) == (200, 600, "read", "bearer")
    assert "refresh_token" not in token
    assert (world.opens(token["access_token"]), world.noted) == (200, ["client_credentials"])
    world.now += 600
    assert world.opens(token["access_token"]) == 401


def test_a_body_may_be_json() -> None:
    body = {"grant_type": "client_credentials", "client_id": "cron", "client_secret": SECRET, "expires_in": 300}
    answer = World().grants.answer("application/json; charset=utf-8", json.dumps(body).encode())
    assert json.loads(answer.body)["expires_in"] == 300


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    answer = World().grants.answer("application/json", body)
    assert (answer.status, json.loads(answer.body)["error"]) == (400, "invalid_request")


def test_a_code_is_good_once_and_for_who_has_the_verifier() -> None:
    world = World()
    code = world.code(scope="users:read")
    status, token = world.by_code(code, expires_in=300, refresh_token_expires_in=604_800)
    assert (status, token["scope"], token["refresh_token_expires_in"]) == (200, "users:read", 604_800)
    assert world.by_code(code)[1]["error"] == "invalid_grant"
    assert world.by_code(world.code(), code_verifier="x" * 43)[1]["error"] == "invalid_grant"
    assert world.by_code(world.code(), redirect_uri=BACK + "/")[1]["error"] == "invalid_grant"
    late = world.code()
    world.now += 121
    assert world.by_code(late)[1]["error"] == "invalid_grant"


def test_rotation_deletes_the_old_pair_at_once_and_a_spent_one_does_not_harm_its_successor() -> None:
    world = World()
    _, old = world.by_code(world.code())
    status, new = world.by_refresh(old["refresh_token"])
    assert status == 200
    assert new["refresh_token"] != old["refresh_token"]
    assert world.opens(old["access_token"]) == 401
    assert world.by_refresh(old["refresh_token"])[1]["error"] == "invalid_grant"
    assert world.opens(new["access_token"]) == 200
    assert world.by_refresh(new["refresh_token"])[0] == 200


def test_a_refresh_token_dies_of_age_and_belongs_to_its_client() -> None:
    world = World(refresh_life=60)
    _, token = world.by_code(world.code())
    assert world.by_refresh(token["refresh_token"], client_id="cron", client_secret=SECRET)[0] == 400
    world.now += 61
    assert world.by_refresh(token["refresh_token"])[1]["error"] == "invalid_grant"


def test_the_account_may_give_its_own_life_and_tell_none() -> None:
    world = World(Quirk.NO_EXPIRES_IN, Quirk.CREATED_TOKENS, token_life=5)
    status, token = world.by_client(expires_in=86_400)
    assert (status, "expires_in" in token) == (201, False)
    world.now += 4.9
    assert world.opens(token["access_token"]) == 200
    world.now += 0.2
    assert world.opens(token["access_token"]) == 401
    assert "expires_in" not in World().by_client()[1]


def test_tokens_may_be_jwts_of_a_thousand_characters() -> None:
    world = World(Quirk.JWT_TOKENS)
    token = world.by_client(expires_in=300)[1]["access_token"]
    head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    assert len(token) > 900
    assert (head["typ"], claims) == ("at+jwt", {"exp": world.now + 300})


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_id": "who"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "cron"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "cron", "client_secret": "no"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "desk"}, 400, "unauthorized_client"),
        ({"grant_type": "authorization_code", "client_id": "desk", "code": "no"}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token", "client_id": "desk", "refresh_token": "no"}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token", "client_id": "cron", "refresh_token": "no"}, 401, "invalid_client"),
    ],
)
def test_every_refusal_has_its_status_and_code(fields: dict[str, str], status: int, error: str) -> None:
    world = World()
    came = world.ask(**fields)
    assert (came[0], came[1]["error"], world.noted) == (status, error, [error])
    assert came[1]["error_description"]


@pytest.mark.parametrize("life", ["299", "172801", "soon"])
def test_a_life_out_of_bounds_is_refused(life: str) -> None:
    assert World().by_client(expires_in=life)[1]["error"] == "invalid_request"


def test_scopes_are_the_clients_and_a_name_that_is_none_is_left_out_in_silence() -> None:
    world = World(scopes=("users:read", "groups:read"))
    assert world.by_client()[1]["scope"] == "users:read groups:read"
    assert world.by_client(scope="users:read people:read")[1]["scope"] == "users:read"
    assert world.by_client(scope="read")[1]["error"] == "invalid_scope"


def test_too_little_scope_is_403_and_names_what_is_missing() -> None:
    world = World(Quirk.NARROW_SCOPE)
    users, groups = (world.by_client(scope=scope)[1]["access_token"] for scope in ("users:read", "groups:read"))
    assert (world.opens(users), world.opens(users, "/api/v2/users/count"), world.opens(groups)) == (200, 403, 403)
    refusal = world.guard.refusal(groups, "/api/v2/users")
    assert refusal is not None
    assert b"missing the following required scopes: users:read, read" in refusal.body
    wide = World()
    assert wide.opens(wide.by_client(scope="users:read")[1]["access_token"], "/api/v2/users/count") == 200


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"client_id": "<b>who"}, "No such client"),
        ({"redirect_uri": BACK + "/"}, "redirect URL is not registered"),
        ({"response_type": "token"}, "response type"),
        ({"code_challenge_method": "plain"}, "needs PKCE"),
        ({"code_challenge": ""}, "needs PKCE"),
    ],
)
def test_a_wrong_request_for_consent_ends_on_a_page(fields: dict[str, str], words: str) -> None:
    world = World()
    asked = {"response_type": "code", "client_id": "desk", "redirect_uri": BACK, "code_challenge": CHALLENGE}
    asked |= {"code_challenge_method": "S256", **fields}
    for answer in (world.consent.show(urlencode(asked)), world.consent.decide(urlencode(asked).encode())):
        assert (answer.status, "location" in answer.headers) == (400, False)
        assert words.encode() in answer.body
        assert b"<b>" not in answer.body


def test_whoever_says_no_is_led_back_with_that() -> None:
    asked = {"response_type": "code", "client_id": "cron", "redirect_uri": BACK, "state": "s&t", "decision": "deny"}
    query = parse_qs(urlsplit(World().consent.decide(urlencode(asked).encode()).headers["location"]).query)
    assert (query["error"], query["state"]) == (["access_denied"], ["s&t"])
    world = World(scopes=("users:read",))
    refused = world.consented("cron", scope="read").headers["location"]
    assert "error=invalid_scope" in refused


def test_the_page_escapes_what_it_repeats() -> None:
    asked = {"response_type": "code", "client_id": "cron", "redirect_uri": BACK, "state": '"><script>'}
    page = World().consent.show(urlencode(asked)).body
    assert b"&quot;&gt;&lt;script&gt;" in page
    assert b"<script>" not in page


def post(url: str, path: str, fields: dict[str, str]) -> Response:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", path, urlencode(fields), headers)
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read())
    finally:
        connection.close()


BY_CLIENT = {"grant_type": "client_credentials", "client_id": "cron", "client_secret": SECRET}


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    flags = ("--oauth-client", f"cron:{SECRET}", "--token", "static", "--users", "50")
    faults = ("--token-fault", "429@n:2", "--token-fault", "lost@n:3", "--token-fault", "html@n:4")
    with SandboxProcess(*flags, *faults) as running:
        yield running


def test_the_server_demands_a_living_token_and_tells_what_it_gave(sandbox: SandboxProcess) -> None:
    url = sandbox.url
    token = json.loads(post(url, "/oauth/tokens", BY_CLIENT).body)["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert [get(url, PAGE, headers).status for headers in ({}, bearer)] == [401, 200]
    assert get(url, PAGE, {"Authorization": "Bearer static"}).status == 200
    wrong = get(url, "/api/v2/users/me", {"Authorization": "Bearer wrong"})
    assert (wrong.status, json.loads(wrong.body)["error"]) == (401, "invalid_token")
    assert wrong.headers["www-authenticate"].startswith("Bearer realm=Zendesk::OAuth")

    assert post(url, "/oauth/tokens", BY_CLIENT).status == 429
    with pytest.raises(ConnectionResetError):
        post(url, "/oauth/tokens", BY_CLIENT)
    assert post(url, "/oauth/tokens", BY_CLIENT).headers["content-type"].startswith("text/html")

    current = json.loads(get(url, "/api/v2/oauth/tokens/current.json", bearer).body)["token"]
    me = json.loads(get(url, "/api/v2/users/me", bearer).body)["user"]
    assert (current["token"], current["user_id"], current["refresh_token"]) == (token[:10], me["id"], None)
    assert get(url, "/api/v2/oauth/tokens/current", bearer, "DELETE").status == 204
    assert get(url, PAGE, bearer).status == 401

    stats = sandbox.stats()
    assert stats["tokens"] == {"client_credentials": 2}  # the lost one was given all the same
    assert (stats["most_token_requests"], stats["turned_away"]) == (1, 2)
    assert stats["faults"] == {"429": 1, "lost": 1, "html": 1}


def test_without_clients_there_is_no_oauth() -> None:
    with SandboxProcess("--users", "1") as plain:
        assert post(plain.url, "/oauth/tokens", BY_CLIENT).status == 404
        assert get(plain.url, PAGE, {"Authorization": "Bearer any"}).status == 200
