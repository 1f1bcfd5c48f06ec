"""A stand-in for the service: `GET /api/v2/users` and its neighbours on loopback, from users made out of a seed.

It shares no code with the exporter: an oracle that shared its parser would share its mistakes. Docstrings say how a
behaviour is known: *documented* by the service, *observed* in recorded traffic, *reported* by others, or *assumed*.
What is uncertain, and matters, is a setting.

```
population ◀── cohorts, ids, orders, names    who there is, and in which order
     │         users, archetypes, texts       what they are like
     ▼
changes    ◀── churn                          what has become of them since
     ▼
endpoint   ◀── parameters, pages, cursors, misreadings, itemcursors, incremental,
     │         sideloads, answers             a request becomes an answer: no I/O
     ▼
oauth      ◀── registry, grants, guard, consent    tokens, and who gets them: no I/O
     ▼
faults     ◀── strikes, kinds, refusals, spoils, lies    which requests go wrong, and how
     ▼
server     ◀── limits, delivery, encoding, breakages, statistics, control
                                              the network: the only part that needs aiohttp
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.sandbox.settings import ChurnRate, IdLayout, ItemCursors, OAuthClient, Quirk, RoleShares, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sandbox.people.population import Population

__all__ = [
    "ChurnRate",
    "IdLayout",
    "ItemCursors",
    "OAuthClient",
    "Population",
    "Quirk",
    "RoleShares",
    "Settings",
    "serve",
]


def serve(settings: Settings, announce: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM.

    :param settings: what to be.
    :param announce: called with the URL, once it can be asked.
    :raises OSError: if the port is taken.
    """
    from exporter.sandbox.server.app import serve  # aiohttp takes a third of a second: only who serves pays for it

    serve(settings, announce)


def __getattr__(name: str) -> object:
    """Import the population when it is asked for: the command line needs the settings alone, and has to be quick."""
    if name == "Population":
        from exporter.sandbox.people.population import Population

        return Population
    raise AttributeError(name)
