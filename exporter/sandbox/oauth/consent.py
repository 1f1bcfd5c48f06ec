"""`/oauth/authorizations/new`: a person says yes or no. GET shows the page, POST decides and leads back."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from exporter.sandbox.endpoint.answers import HTML, Answer, RefusedError
from exporter.sandbox.oauth.grants import granted

if TYPE_CHECKING:
    from exporter.sandbox.oauth.registry import Registry
    from exporter.sandbox.settings import OAuthClient

PATH = "/oauth/authorizations/new"

_KEPT = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:10vh auto;max-width:32rem;padding:0 1rem}"
    "button{font:inherit;padding:.5rem 1.5rem;margin-right:.5rem}"
)


class Consent:
    """Asks, and writes codes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def show(self, query: str) -> Answer:
        """Return the page that asks; or one that says what is wrong, from which nothing leads back (observed)."""
        fields = dict(parse_qsl(query))
        client, wrong = self._checked(fields)
        if client is None or wrong:
            return _page("This request is invalid", f"<p>{escape(wrong)}</p>", 400)
        scope = escape(fields.get("scope") or "read")
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(fields[name])}">' for name in _KEPT if name in fields
        )
        return _page(
            f"Allow {escape(client.id)} to use your account?",
            f"<p>It asks for: <code>{scope}</code></p>"
            f'<form method="post" action="{PATH}">{hidden}'
            '<button id="allow" name="decision" value="allow">Allow</button>'
            '<button id="deny" name="decision" value="deny">Deny</button></form>',
        )

    def decide(self, body: bytes) -> Answer:
        """Lead back with a code, or with what was refused."""
        fields = dict(parse_qsl(body.decode(errors="replace")))
        client, wrong = self._checked(fields)
        if client is None or wrong:
            return _page("This request is invalid", f"<p>{escape(wrong)}</p>", 400)
        redirect = fields["redirect_uri"]
        back = {"state": fields["state"]} if "state" in fields else {}
        if fields.get("decision") != "allow":
            denied = "The end-user or authorization server denied the request."
            return _led(redirect, {"error": "access_denied", "error_description": denied, **back})
        try:
            scope = granted(client, fields.get("scope", ""))
        except RefusedError:
            return _led(redirect, {"error": "invalid_scope", "error_description": "The scope is not allowed.", **back})
        code = self._registry.write_code(client, redirect, fields.get("code_challenge", ""), scope)
        return _led(redirect, {"code": code, **back})

    def _checked(self, fields: dict[str, str]) -> tuple[OAuthClient | None, str]:
        """Return the client, and what is wrong; redirects are compared as exact strings (documented)."""
        client = self._registry.client(fields.get("client_id", ""))
        if client is None:
            return None, "No such client."
        if fields.get("redirect_uri") not in client.redirects:
            return client, "The redirect URL is not registered for this client."
        if fields.get("response_type") != "code":
            return client, "The response type is not supported."
        with_pkce = fields.get("code_challenge") and fields.get("code_challenge_method") == "S256"
        if client.secret is None and not with_pkce:
            return client, "A public client needs PKCE with S256."
        return client, ""


def _led(redirect: str, fields: dict[str, str]) -> Answer:
    return Answer(b"", 302, HTML, {"location": f"{redirect}?{urlencode(fields)}"})


def _page(title: str, body: str, status: int = 200) -> Answer:
    return Answer(
        f"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style>"
        f"</head><body><h1>{title}</h1>{body}</body></html>\n".encode(),
        status,
        HTML,
    )
