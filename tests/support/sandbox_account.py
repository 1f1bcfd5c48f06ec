"""The sandbox's endpoint without HTTP: for tests of what it answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from exporter.sandbox import Population, Settings
from exporter.sandbox.endpoint.answers import Answer
from exporter.sandbox.endpoint.endpoint import Endpoint, Request
from exporter.sandbox.people.churn import Churn

ORIGIN = "http://127.0.0.1:1"


class Account:
    """An account to ask.

    :param users: how many users it has.
    :param clock: what time it is there.
    :param settings: see `Settings`.
    """

    def __init__(self, users: int = 500, clock: Callable[[], float] = time.time, **settings: Any) -> None:
        self.settings = Settings(users=users, **settings)
        self.population = Population(users)
        self.endpoint = Endpoint(self.settings, ORIGIN, clock)
        self.churn = Churn(self.endpoint.present, self.settings, clock)

    def ask(self, query: str = "", path: str = "/api/v2/users", authorization: str = "") -> Answer:
        """Return the answer to a query string."""
        return self.endpoint.answer(Request(path, query, authorization))

    def get(self, query: str = "", path: str = "/api/v2/users") -> Any:
        """Return the content of an answer, which has to be good."""
        answer = self.ask(query, path)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def page(self, **parameters: object) -> Any:
        """Return a page by cursor; `after=…` is `page[after]`, and so on, a list is several values."""
        return self.get(by_cursor(**parameters))

    def refusal(self, query: str) -> Any:
        """Return the content of an answer, which has to be 400."""
        answer = self.ask(query)
        assert answer.status == 400, answer
        return json.loads(answer.body)

    def walk(self, link: str = "next", /, **parameters: object) -> list[Any]:
        """Follow the links of pages until one is empty; return the others."""
        page = self.page(**parameters)
        pages = []
        while page["users"]:
            pages.append(page)
            page = self.get(urlsplit(page["links"][link]).query)
        return pages

    def ids(self, role: str | None = None) -> list[int]:
        """Return the ids of a role, ascending."""
        return list(self.population.ids(role))


def by_cursor(size: object = 10, **parameters: object) -> str:
    """Return a query string that asks for a page by cursor."""
    pairs = {f"page[{name}]" if name in ("after", "before") else name: value for name, value in parameters.items()}
    return urlencode({"page[size]": size} | pairs, doseq=True)


def ids(users: list[dict[str, Any]]) -> list[int]:
    """Return the ids of users."""
    return [user["id"] for user in users]


def chained(pages: list[Any]) -> list[int]:
    """Return the ids of the users of several pages."""
    return [user["id"] for page in pages for user in page["users"]]
