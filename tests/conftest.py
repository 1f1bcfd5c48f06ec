"""What all tests share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

import exporter.library  # noqa: F401 (imported before there is a loop to block)
from exporter.ledger.database import Database
from exporter.ledger.ledger import Ledger
from tests.support.sandbox_farm import SandboxFarm

settings.register_profile("suite", derandomize=True, deadline=None)  # a machine under load is no failure
settings.register_profile("soak", deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """Have the suite try the same examples each time, and `make soak` others: what is landed was tried before."""
    settings.load_profile("soak" if config.option.markexpr == "soak" else "suite")


@pytest.fixture(scope="session")
def farm() -> Iterator[SandboxFarm]:
    """Give a place to open sandboxes in, each in milliseconds: for tests that need many."""
    with SandboxFarm() as farm:
        yield farm


FIGURES = "figures"


@pytest.fixture(autouse=True, scope="session")
def replicas_lag_little() -> Iterator[None]:
    """Have an export look for late changes at once: in this process, and those that are forked from it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("exporter.engine.sweep.SETTLING", 0.02)
        yield


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # aiohttp knows no other


@pytest.fixture(autouse=True)
def never_block_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail an async test in which our code makes a blocking call on the event loop, but for those named here.

    Opening and closing an export blocks: nothing else runs then. Noting an intent and appending its lines block on
    purpose: between the two nothing may run, and each takes less time than going to a thread and back would.
    """
    if "anyio_backend" not in request.fixturenames:
        yield
        return
    with blockbuster_ctx("exporter") as blockbuster:
        for module, functions in {
            "connection.py": {"most_connections"},  # the names of descriptors are in memory
            "destination.py": {"parse_destination"},
            "opening.py": {"locked", "open_ledger", "_make", "_connect", "_fill", "_check_tables", "remove_ledger"},
            "place.py": {"there", "prepare", "check_memory"},
            "replacing.py": {"pending", "old_is_complete", "begin", "swap", "finish"},
            "sealing.py": {"go_on", "put", "clear"},
            "ledger.py": set(vars(Ledger)),
            "candidates.py": {"__init__", "add", "ids", "chunks"},  # a few rows at a time, in a file's cache
            "ids.py": {"among", "close"},  # a page at a time
            "database.py": set(vars(Database)),
            "sandbox_process.py": {"__init__", "stats", "close"},
            "output/files.py": {"existing", "remove", "open", "write", "publish", "whole_units", "close"},
            "disk/files.py": {"sync_folder", "make_folder", "free_space"},
        }.items():
            for function in blockbuster.functions.values():
                function.can_block_in(module, functions)
        yield


@pytest.fixture
def record() -> Counter[str]:
    """What a long campaign counts, by name; `make soak` tells the sums at its end."""
    return Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Send what was counted along with the report: the test has run in another process than the summary."""
    report = yield
    figures = item.funcargs.get("record") if isinstance(item, pytest.Function) and "soak" in item.keywords else None
    if call.when == "call" and isinstance(figures, Counter):
        report.user_properties.append((FIGURES, dict(figures)))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell what the long campaigns have counted, whether they passed or not."""
    sums: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, figures in getattr(report, "user_properties", ()):
                if name == FIGURES:
                    for what, times in figures.items():
                        sums[what] += times
    if sums:
        terminalreporter.section("what was survived")
        terminalreporter.line("; ".join(f"{what}: {times:,}" for what, times in sums.items()))
