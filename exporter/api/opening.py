"""Being ready to ask an account: its connections, bounded by what the system allows, and the client over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from exporter.account import Account
from exporter.api.asker import FIRST_PATIENCE, PATIENCE
from exporter.api.client import Client
from exporter.api.connection import most_connections, open_connection
from exporter.api.pace import Pace
from exporter.events import Observer, ignore


@asynccontextmanager
async def open_client(
    account: Account,
    pace: Pace,
    *,
    patience: float | None = None,
    default_patience: float = PATIENCE,
    strict: bool = False,
    observer: Observer = ignore,
    warn: Callable[[str], None] | None = None,
) -> AsyncIterator[Client]:
    """Be ready to ask the account, and close every connection in the end; parameters are those of `Client`.

    :param patience: None for the default, of which there are ten seconds until anything has answered.
    """
    first_patience = FIRST_PATIENCE if patience is None else patience
    patience = default_patience if patience is None else patience
    pace.bound(most_connections())
    async with open_connection(account, patience=patience) as connection:
        show = account.hiding.words
        yield Client(
            connection,
            pace,
            patience=patience,
            first_patience=first_patience,
            strict=strict,
            observer=observer,
            warn=warn,
            show=show,
        )
