"""The event loop: uvloop where it is installed, asyncio's own where it isn't."""

from __future__ import annotations

import gc
import resource
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import anyio

T = TypeVar("T")

DESCRIPTORS = 1024
"""Files and connections: 400 requests in flight and all else, twice. Some systems begin with 256 or less."""


def run_loop(function: Callable[..., Awaitable[T]], *args: object) -> T:
    """Run a coroutine function to its end."""
    _allow_descriptors()
    # What is there by now stays, and pages make many objects but no cycles: to look for some seldom saves 5 %.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    options: dict[str, Any] = {}
    try:
        import uvloop
    except ImportError:  # there is no wheel for every machine
        pass
    else:
        options["loop_factory"] = uvloop.new_event_loop
    return anyio.run(function, *args, backend_options=options)


def _allow_descriptors() -> None:
    """Have the system allow as many descriptors as an export can use, as far as it lets a process have them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
