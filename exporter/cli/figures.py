"""Numbers in the form people read them in."""

from __future__ import annotations

from datetime import datetime


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "retry", "retries"), counted(1200, "retry", "retries")
    ('1 retry', '1,200 retries')
    """
    return f"{number:,} {one if number == 1 else many}"


def effort(requests: int, retries: int, resumes: int) -> str:
    """Return what an export took.

    >>> effort(1002, 1, 2)
    '1,002, 1 retry, 2 resumes'
    """
    return f"{requests:,}, {counted(retries, 'retry', 'retries')}, {counted(resumes, 'resume', 'resumes')}"


def duration(seconds: float) -> str:
    """Return a time in its two largest units.

    >>> [duration(s) for s in (0.2, 45, 200, 3900, 180_000)]
    ['<1s', '45s', '3m 20s', '1h 05m', '2d 02h']
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s" if whole else "<1s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86_400:,}d {whole % 86_400 // 3600:02}h"


def when(told: str, now: datetime) -> str:
    """Return a time in the reader's own zone, and how long ago that was; as it is told, if it can't be read.

    :param told: as manifests and ledgers write it, in UTC.
    :param now: with its zone, the reader's.
    """
    try:
        then = datetime.fromisoformat(told)
        local = then.astimezone(now.tzinfo)
        ago = duration((now - then).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return told
    return f"{local.day} {local:%B %Y, %H:%M} {local.tzname()}, {ago} ago"


def size(count: int) -> str:
    """Return a number of bytes, in decimal units.

    >>> size(812), size(24_912_000), size(999_999)
    ('812 bytes', '24.9 MB', '1.0 MB')
    """
    if count < 1000:
        return counted(count, "byte", "bytes")
    value = count / 1000
    for unit in ("kB", "MB", "GB"):
        if value < 999.95:
            return f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def fraction(users: int, expected: int | None, *, finished: bool) -> float | None:
    """Return how much of an estimated count is done; None if the estimate tells nothing, or has proved too low."""
    if finished:
        return 1.0
    if not expected or users > expected:
        return None
    return min(users / expected, 0.99)


def percent(part: float | None) -> str:
    """Return a fraction in percent, rounded down: 100 % is said of what is finished, and of nothing else.

    >>> percent(0.999), percent(None)
    ('99 %', '')
    """
    return "" if part is None else f"{int(part * 100)} %"
