"""Values as people write them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli import values
from exporter.destination import Compression
from exporter.model import Role, Sideload

READ: list[tuple[Callable[[str], Any], str, Any]] = [
    (values.duration, "90", 90.0),
    (values.duration, "90s", 90.0),
    (values.duration, "10m", 600.0),
    (values.duration, "10min", 600.0),
    (values.duration, "1h30m", 5_400.0),
    (values.duration, "1h 30m", 5_400.0),
    (values.duration, "1D", 86_400.0),
    (values.duration, "0.25", 0.25),
    (values.count, "10k", 10_000),
    (values.count, "2M", 2_000_000),
    (values.count, "1,000", 1_000),
    (values.share, "95%", 0.95),
    (values.share, "1", 1.0),
    (values.ranges, "off", 1),
    (values.ranges, "auto", None),
    (values.ranges, "4", 4),
    (values.roles, "agent,admin", (Role.AGENT, Role.ADMIN)),
    (values.roles, "Agents", (Role.AGENT,)),
    (values.roles, "end_user", (Role.END_USER,)),
    (values.roles, "end users", (Role.END_USER,)),
    (values.sideloads, "groups, identities", (Sideload.GROUPS, Sideload.IDENTITIES)),
    (values.compression, "gz", Compression.GZIP),
    (values.compression, ".zst", Compression.ZSTD),
    (values.compression, "none", Compression.NONE),
]


@pytest.mark.parametrize(("read", "text", "value"), READ)
def test_what_people_write_is_understood(read: Callable[[str], Any], text: str, value: Any) -> None:
    assert read(text) == value


REFUSED = [
    (values.duration, ["", "0", "-1", "1x", "h", "1h30x", "nan", "inf", "1e3"]),
    (values.count, ["", "0", "-1", "1.5", "k", "99999999999999999999", "1e3"]),
    (values.share, ["0", "-5%", "101%", "half", "%"]),
    (values.ranges, ["0", "many"]),
    (values.roles, ["", "owner", "agent,owner"]),
    (values.sideloads, ["", "tickets"]),
    (values.compression, ["", "bzip2"]),
]


@pytest.mark.parametrize(("read", "text"), [(read, text) for read, texts in REFUSED for text in texts])
def test_what_can_not_be_meant_is_refused_in_words(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"^(must be|knows) "):
        read(text)


@given(st.sampled_from([read for read, _ in REFUSED]), st.text())
def test_no_text_is_a_bug(read: Callable[[str], Any], text: str) -> None:
    with suppress(argparse.ArgumentTypeError):
        read(text)
