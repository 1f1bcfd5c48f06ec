"""A login by a browser: PKCE (RFC 7636), and a redirect to a port of this machine (RFC 8252)."""

from __future__ import annotations

import base64
import hashlib
import queue
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode

from exporter.errors import AuthError, UsageError

PORTS = (22147, 22148, 22149)
"""Tried in turn. Redirect URLs are registered as exact texts, so they stay the same; systems give out none of these."""
EXPIRY = 300.0
"""Seconds that a browser is waited for."""
_PATH = "/zexport"

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;color:#1f2328;background:#f6f8fa;margin:0}"
    "main{max-width:34rem;margin:18vh auto 0;padding:2rem 2.5rem;background:#fff;border:1px solid #d0d7de;"
    "border-radius:8px}h1{font-size:1.4rem;margin:0 0 .5rem}p{margin:.5rem 0 0}code{word-break:break-word}"
)


def redirect_url(port: int) -> str:
    """Return where the browser is led back to."""
    return f"http://127.0.0.1:{port}{_PATH}"


@dataclass(slots=True)
class Browsing:
    """One login by a browser.

    :param redirect: where it leads back to; exactly this is sent with the code, too.
    """

    origin: str
    client: str
    redirect: str
    scope: str
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)

    @property
    def address(self) -> str:
        """Return the address that a person opens. It holds no secret: the verifier stays here."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": self.redirect,
            "scope": self.scope,
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.origin}/oauth/authorizations/new?{urlencode(asked)}"

    def read(self, target: str) -> str | None:
        """Read the code out of the address that the browser was led to; None if that is of another login, or none.

        :raises AuthError: if it was refused there.
        """
        query = target.partition("?")[2].partition("#")[0]  # of anything: whoever likes can send to the port
        fields = {name: values[0] for name, values in parse_qs(query).items()}
        if not secrets.compare_digest(fields.get("state", "").encode(), self.state.encode()):
            return None
        if "error" in fields:
            why = fields.get("error_description") or fields["error"]
            raise AuthError(f"the login was refused: {why}", hint="Nothing was stored.")
        return fields.get("code")


class Landing(ThreadingHTTPServer):
    """Waits on a port for a browser, in threads: one that opens connections ahead keeps nobody from the next.

    Made by `landing`.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.redirect = redirect_url(port)
        self.browsing: Browsing | None = None
        self.came: queue.Queue[str] = queue.Queue()

    def handle_error(self, *_: object) -> None:
        """Say nothing of a browser that hangs up."""

    def wait(self, browsing: Browsing, seconds: float = EXPIRY) -> str:
        """Wait for the code of this login.

        :raises AuthError: if it was refused, or nobody came.
        """
        self.browsing = browsing
        try:
            code = browsing.read(self.came.get(timeout=seconds))
        except queue.Empty:
            raise AuthError(
                f"no browser came back within {seconds / 60:.0f} minutes",
                hint=f"Check that the identifier {browsing.client!r} is right, and that the OAuth client has exactly "
                f"this redirect URL, among its others: {browsing.redirect}",
            ) from None
        assert code is not None  # others were answered with 404
        return code


@contextmanager
def landing() -> Iterator[Landing]:
    """Listen on the first of `PORTS` that is free, until the context ends.

    :raises UsageError: if all are taken.
    """
    there: Landing | None = None
    for port in PORTS:
        with suppress(OSError):
            there = Landing(port)
            break
    if there is None:
        raise UsageError(
            f"the ports {', '.join(map(str, PORTS))} are all taken, so no browser can come back",
            hint="End what listens there, or use --no-browser.",
        )
    threading.Thread(target=there.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield there
    finally:
        there.shutdown()
        there.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers what comes to the port: the browser that is waited for, and whatever else."""

    timeout = 30

    def do_GET(self) -> None:
        """Hand the redirect on and thank, or say that it is nothing here."""
        there = self.server
        assert isinstance(there, Landing)
        ours = self.path.partition("?")[0] == _PATH
        try:
            code = there.browsing.read(self.path) if ours and there.browsing else None
        except AuthError as exc:
            self._say(200, "Not logged in", f"<p><code>{escape(str(exc))}</code></p>")
            there.came.put(self.path)
            return
        if code is None:  # of another login, or of nobody's: the true one may still come
            self._say(404, "Nothing here", "<p>zexport waits for another page than this one.</p>")
            return
        self._say(200, "Allowed", "<p>zexport goes on in the terminal. You can close this page.</p>")
        there.came.put(self.path)

    def _say(self, status: int, title: str, body: str) -> None:
        page = (
            f"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>{title} – zexport</title>"
            f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>\n"
        ).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("Referrer-Policy", "no-referrer")  # the address holds the code
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing: a line of the log would hold the code."""
