"""Values as people write them on a command line: durations, counts, shares, roles, sideloads, compression.

:raises argparse.ArgumentTypeError: from every function, in words, with a correction where one is near.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable

from exporter.destination import Compression
from exporter.model import Role, Sideload

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+(?:\.\d+)?)s?)?", re.IGNORECASE)
_UNITS = (86_400.0, 3_600.0, 60.0, 1.0)
_COUNT = re.compile(r"(\d+(?:\.\d+)?)([km]?)", re.IGNORECASE)
_COMPRESSIONS = {"gz": Compression.GZIP, "zst": Compression.ZSTD, "zstandard": Compression.ZSTD}


def duration(text: str) -> float:
    """Read a duration in seconds.

    >>> [duration(text) for text in ("90", "0.5s", "10m", "1h30m", "2d")]
    [90.0, 0.5, 600.0, 5400.0, 172800.0]
    """
    found = _DURATION.fullmatch(text.strip().replace(" ", "")) if text.strip() else None
    seconds = sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS, strict=True) if part) if found else 0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a time, more than 0, such as 90, 90s, 10m or 1h30m, not {text!r}")
    return seconds


def positive(text: str) -> float:
    """Read a number above 0."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0, not {text}")
    return value


def count(text: str) -> int:
    """Read a whole number, at least 1.

    >>> [count(text) for text in ("7", "10k", "1.5M", "2,000")]
    [7, 10000, 1500000, 2000]
    """
    found = _COUNT.fullmatch(text.strip().replace(",", "").replace("_", ""))
    value = float(found[1]) * {"": 1, "k": 1e3, "m": 1e6}[found[2].lower()] if found else 0
    if value < 1 or value % 1 or value >= 2**63:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, such as 500 or 10k, not {text!r}")
    return int(value)


def ranges(text: str) -> int | None:
    """Read how many ranges a stream may have: None for as many as pay."""
    if text in ("auto", "off"):
        return {"auto": None, "off": 1}[text]
    try:
        return count(text)
    except argparse.ArgumentTypeError as exc:
        raise argparse.ArgumentTypeError(f"must be auto, off or a whole number, at least 1, not {text!r}") from exc


def share(text: str) -> float:
    """Read a part of a whole.

    >>> share("0.5"), share("95%")
    (0.5, 0.95)
    """
    value = _number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, or 100%, not {text}")
    return value


def roles(text: str) -> tuple[Role, ...]:
    """Read roles.

    >>> roles("agents,end_user")
    (<Role.AGENT: 'agent'>, <Role.END_USER: 'end-user'>)
    """
    return tuple(Role(_one_of(name, Role, re.sub(r"[ _-]+", "-", name).removesuffix("s"))) for name in _names(text))


def sideloads(text: str) -> tuple[Sideload, ...]:
    """Read sideloads.

    >>> sideloads("groups, organizations")
    (<Sideload.GROUPS: 'groups'>, <Sideload.ORGANIZATIONS: 'organizations'>)
    """
    return tuple(Sideload(_one_of(name, Sideload, name)) for name in _names(text))


def compression(text: str) -> Compression:
    """Read a compression, by its name or by what file names end with.

    >>> compression("gz"), compression("zstd")
    (<Compression.GZIP: 'gzip'>, <Compression.ZSTD: 'zstd'>)
    """
    name = text.strip().lower().lstrip(".")
    return _COMPRESSIONS.get(name) or Compression(_one_of(name, Compression, name))


def _names(text: str) -> list[str]:
    return [name.strip().lower() for name in text.split(",") if name.strip()] or [text]


def _one_of(name: str, known: Iterable[str], meant: str) -> str:
    """Return the name that is known for one; of several that would fit, none is taken."""
    names = list(map(str, known))
    if meant in names:
        return meant
    raise argparse.ArgumentTypeError(f"knows {', '.join(names)}, not {name!r}{correction(meant, names)}")


def correction(meant: str, known: Iterable[str]) -> str:
    """Say what somebody may have meant, to be put behind what is wrong; nothing if nothing comes near.

    >>> correction("agnet", ["end-user", "agent"])
    ': did you mean agent?'
    """
    from difflib import get_close_matches  # for a mistake alone: the help is there sooner without it

    near = get_close_matches(meant, list(known), 1)
    return f": did you mean {near[0]}?" if near else ""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from exc
