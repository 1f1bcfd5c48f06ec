"""The paths of OAuth, with the faults that strike them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.sandbox.endpoint import answers
from exporter.sandbox.faults import script as faults
from exporter.sandbox.faults.kinds import Asked
from exporter.sandbox.oauth.consent import PATH as CONSENT
from exporter.sandbox.oauth.consent import Consent
from exporter.sandbox.oauth.grants import Grants
from exporter.sandbox.oauth.guard import CURRENT, Guard
from exporter.sandbox.oauth.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sandbox.endpoint.answers import Answer
    from exporter.sandbox.endpoint.endpoint import Request
    from exporter.sandbox.people.users import Person
    from exporter.sandbox.server.statistics import Statistics
    from exporter.sandbox.settings import Settings

TOKENS = "/oauth/tokens"
OAUTH_PATHS = (TOKENS, CONSENT, CURRENT)


class OAuthDesk:
    """Answers the requests to `OAUTH_PATHS`.

    :param origin: what links begin with.
    :param clock: the time, in unix seconds.
    """

    def __init__(
        self,
        settings: Settings,
        origin: str,
        clock: Callable[[], float],
        statistics: Statistics,
    ) -> None:
        registry = Registry(settings, clock)
        self.guard = Guard(settings, registry, statistics.turned_away)
        self._settings = settings
        self._origin = origin
        self._clock = clock
        self._statistics = statistics
        self._grants = Grants(settings, registry, statistics.granted)
        self._consent = Consent(registry)
        self._asked = 0  # requests for tokens that the script of faults has counted

    def answer(
        self, method: str, asked: Request, content_type: str, body: bytes, owner: Callable[[], Person | None]
    ) -> Answer:
        """Answer a request, whatever its method.

        :param owner: returns for whom all tokens stand.
        """
        match asked.route, method:
            case "/oauth/tokens", "POST":
                return self._struck(asked, content_type, body)
            case "/oauth/authorizations/new", "GET":
                return self._consent.show(asked.query)
            case "/oauth/authorizations/new", "POST":
                return self._consent.decide(body)
            case "/api/v2/oauth/tokens/current", "GET" | "DELETE":
                person = owner()
                return self.guard.current(method, asked.authorization, self._origin, person.id if person else None)
        return answers.not_found()

    def _struck(self, asked: Request, content_type: str, body: bytes) -> Answer:
        """Give a token or refuse it, as the script of faults has it."""
        self._asked += 1
        kind, answer = faults.strike(
            self._settings.token_faults,
            self._settings.seed,
            self._asked,
            Asked(asked, lambda _: self._grants.answer(content_type, body), self._origin, self._clock),
        )
        if kind:
            self._statistics.struck(kind)
        return replace(answer, headers={"cache-control": "no-store", **answer.headers})
