"""The event loop: uvloop where it is installed, asyncio's own where it isn't."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


def run_loop(function: Callable[..., Awaitable[T]], *args: object) -> T:
    """Run a coroutine function to its end."""
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
