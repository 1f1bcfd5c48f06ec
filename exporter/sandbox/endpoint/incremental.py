"""The incremental export: who changed since a time, deleted users too, in order of the change, up to a minute ago.

Its keys and their order, the form of its cursors and that `after_cursor` is there on the last page too are observed;
the size of its pages, its limit and its lag are documented.
"""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING

from exporter.sandbox.endpoint.answers import RefusedError, bad_pagination, forbidden, too_recent
from exporter.sandbox.endpoint.cursors import BadCursorError, decode_export, encode_export
from exporter.sandbox.endpoint.parameters import ExportQuery, Parameters, read_export_query
from exporter.sandbox.endpoint.sideloads import sideloads
from exporter.sandbox.people.changes import GONE
from exporter.sandbox.people.cohorts import EVERYONE
from exporter.sandbox.people.population import Point
from exporter.sandbox.people.texts import wire
from exporter.sandbox.settings import Quirk

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sandbox.people.changes import Present
    from exporter.sandbox.settings import Settings


class IncrementalExport:
    """Writes the pages of the export.

    :param present: whose users.
    :param settings: how far it lags behind, and whether it is there for the caller.
    :param clock: the time, in unix seconds.
    """

    def __init__(self, present: Present, settings: Settings, clock: Callable[[], float]) -> None:
        self._present = present
        self._settings = settings
        self._clock = clock

    def page(self, parameters: Parameters, address: str) -> bytes:
        """Write the page that is asked for, or refuse.

        :param parameters: what is asked.
        :param address: what the link to the next page begins with.
        :raises RefusedError: for callers who are no admins, a bad cursor, or a start that is missing or too recent.
        """
        if Quirk.NO_INCREMENTAL in self._settings.quirks:
            raise RefusedError(forbidden())
        query = read_export_query(parameters, self._settings.quirks)
        latest = self._clock() - self._settings.incremental_lag
        walk = self._present.walk((*EVERYONE, GONE), "updated_at", start=_start(query, latest))
        people = list(islice(takewhile(lambda person: person.updated <= latest, walk), query.size + 1))
        more = len(people) > query.size
        people = people[: query.size]
        # Assumed: who is up to date keeps the cursor that was given.
        cursor = encode_export(people[-1].updated, people[-1].id) if people else query.cursor
        place = {
            "after_url": cursor and f"{address}?{parameters.link({'cursor': cursor})}",
            "before_url": None,  # assumed: nobody was seen to walk back
            "after_cursor": cursor,
            "before_cursor": None,
            "end_of_stream": not more,
        }
        users = b",".join(map(self._present.wire, people))
        records = sideloads(query.include, people, self._present.content)
        return b'{"users":[%b]%b,%b' % (users, records, wire(place)[1:])


def _start(query: ExportQuery, latest: float) -> Point:
    """Return the point right before the first user of the page."""
    if query.cursor is not None:
        try:
            return Point(*decode_export(query.cursor))
        except BadCursorError as error:
            raise bad_pagination("cursor") from error
    assert query.start_time is not None
    if query.start_time > latest:
        raise too_recent()
    return Point(query.start_time, -1)
