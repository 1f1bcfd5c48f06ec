"""Every user out of a Zendesk account: at the whole rate limit, resumable at any instant, provably complete.

As a library:

```python
import anyio
import exporter

async def main():
    account = exporter.load_account("acme")                  # credentials from the environment
    await exporter.export_users(account, "users.ndjson")     # files, resumable, with a manifest
    async with exporter.stream_users(account) as users:      # or user by user
        async for user in users:
            print(user.id, len(user.line))

anyio.run(main)
```

Names are imported when they are first used: `zexport --help` has no use for an HTTP client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exporter.account import Account, ApiToken, OAuthToken, Secret
    from exporter.destination import Compression
    from exporter.engine import Limits, Options
    from exporter.errors import (
        AuthError,
        ClosedPipeError,
        ContractError,
        ExportError,
        IncompleteError,
        LedgerError,
        LockedError,
        NetworkError,
        OutputError,
        UsageError,
    )
    from exporter.events import (
        Event,
        Failed,
        Finished,
        Held,
        Observer,
        Progress,
        Retrying,
        RoleProgress,
        Split,
        Started,
    )
    from exporter.library import export_users, stream_users
    from exporter.logins import load_account
    from exporter.model import Item, Pagination, Query, Role, Sideload
    from exporter.proof import Verified, verify
    from exporter.version import VERSION as __version__  # noqa: N811

_HOMES = {
    "account": "Account ApiToken OAuthToken Secret",
    "destination": "Compression",
    "engine": "Limits Options",
    "errors": "AuthError ClosedPipeError ContractError ExportError IncompleteError LedgerError LockedError "
    "NetworkError OutputError UsageError",
    "events": "Event Failed Finished Held Observer Progress Retrying RoleProgress Split Started",
    "library": "export_users stream_users",
    "logins": "load_account",
    "proof": "Verified verify",
    "model": "Item Pagination Query Role Sideload",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()} | {"__version__": "version"}

__all__ = [
    "Account",
    "ApiToken",
    "AuthError",
    "ClosedPipeError",
    "Compression",
    "ContractError",
    "Event",
    "ExportError",
    "Failed",
    "Finished",
    "Held",
    "IncompleteError",
    "Item",
    "LedgerError",
    "Limits",
    "LockedError",
    "NetworkError",
    "OAuthToken",
    "Observer",
    "Options",
    "OutputError",
    "Pagination",
    "Progress",
    "Query",
    "Retrying",
    "Role",
    "RoleProgress",
    "Secret",
    "Sideload",
    "Split",
    "Started",
    "UsageError",
    "Verified",
    "__version__",
    "export_users",
    "load_account",
    "stream_users",
    "verify",
]


def __getattr__(name: str) -> Any:
    try:
        home = import_module(f"exporter.{_HOME[name]}")
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(home, "VERSION" if name == "__version__" else name)
