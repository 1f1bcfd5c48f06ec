"""Pages in bytes for the tests of `wire`, and what every line that comes of one has to be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exporter.errors import NotAPage
from exporter.model import Page, Pagination, Query, Role, Sideload
from exporter.pages.wire import read_page

QUERY = Query(include=(Sideload.GROUPS, Sideload.ABILITIES))
OFFSET = Query(pagination=Pagination.OFFSET)
LAST = b'{"has_more":false,"after_cursor":"z","before_cursor":"a"}'


def page(users: bytes = b'{"id":1}', meta: bytes = LAST, more: bytes = b"") -> bytes:
    return b'{"users":[%s]%s,"meta":%s,"links":{"prev":null,"next":null}}' % (users, more, meta)


def read(body: bytes, query: Query = QUERY) -> Page:
    return read_page(body, query, Role.END_USER)


def exact(text: bytes | str) -> Any:
    """Parse JSON so that two texts are equal only with the same keys in the same order and the same digits."""
    return json.loads(
        text,
        parse_int=lambda digits: ("number", digits),
        parse_float=lambda digits: ("number", digits),
        parse_constant=lambda name: pytest.fail(f"{name} is no JSON"),
        object_pairs_hook=lambda members: ("object", members),
    )


def check_lines(body: bytes, query: Query = QUERY) -> None:
    """Read, and hold every line to its form; a body that is no page is as good."""
    try:
        found = read(body, query)
    except NotAPage:
        return
    for line in found.lines + [r[1] for kind in found.sideloads.values() for r in kind]:
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        assert b"\r" not in line
        assert json.loads(line.decode("utf-8", "strict"), parse_constant=pytest.fail) is not None
        line.decode().encode()
