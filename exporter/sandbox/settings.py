"""What a sandbox is asked to be: the account, its network, its misbehaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

MAX_USERS = 100_000_000
"""Users of an account, at most: beyond it, times of creation (one second apart) would no longer fit ten years."""


class RoleShares(NamedTuple):
    """What part of an account each role is, in any unit: only their proportion counts."""

    end_user: float = 0.97
    agent: float = 0.025
    admin: float = 0.005


class ChurnRate(NamedTuple):
    """How often an account changes while it is exported.

    :param rate: changes for each request to the list or the incremental export; 0.5 is one for every two.
    :param total: changes in all, at most; None for no bound.
    """

    rate: float = 0.0
    total: int | None = None


class IdLayout(StrEnum):
    """How ids lie on the number line. All start near 6.1e12, as ids of accounts made in 2023 do (observed)."""

    DENSE = "dense"
    """Every number is a user."""
    SPREAD = "spread"
    """Ascending with random gaps of up to 131,072 (the default, and what real accounts resemble)."""
    CLUSTERED = "clustered"
    """Runs of about 1,000 neighbours, with gaps of 1e9 to 1e10 between runs."""


class ItemCursors(StrEnum):
    """Where `include_item_cursors=true` puts the cursors: not known of the real service, so it is a setting."""

    USER_META = "users.meta.cursor"
    USER_META_PAGE = "users.meta.page.cursor"
    USER = "users.cursor"
    META_LIST = "meta.item_cursors"
    META_CURSORS = "meta.cursors"
    META_MAP = "meta.map"
    """`meta.item_cursors` again, but an object from id to cursor."""
    NONE = "none"
    """The parameter is accepted and has no effect."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of the script of faults: the kind, its argument, and the requests it strikes, by seed and number.

    :param lasts: it goes on for ever once it has begun.
    """

    kind: str
    argument: str
    strikes: Callable[[int, int], bool]
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """An OAuth client that an admin has made.

    :param id: its identifier.
    :param secret: None for a public client.
    :param redirects: where a browser may be led back to, compared as exact texts.
    :param scopes: those it may have; empty means whatever is asked for, and `read` if nothing is (reported).
    """

    id: str
    secret: str | None = field(default=None, repr=False)
    redirects: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()


class Quirk(StrEnum):
    """What the real service might do otherwise: for each, the default is the likelier behaviour."""

    HAS_MORE_ABSENT = "has-more-absent"
    """`meta.has_more` only comes with `include_boundary_indicators=true` (observed: always)."""
    HAS_MORE_BEFORE_EMPTY_PAGE = "has-more-before-empty-page"
    """`has_more` is true on the last page with users; an empty one follows (observed at sibling endpoints)."""
    SEALED_CURSORS = "sealed-cursors"
    """Cursors work, but tell nothing of what they hold."""
    MISREAD_CURSORS = "misread-cursors"
    """A cursor that the server issued for nobody who is there is ignored (default: it is a point, as it says)."""
    MISREAD_CURSORS_AS_END = "misread-cursors-as-end"
    """Nobody is behind such a cursor, nor before it."""
    MISREAD_CURSORS_ELSEWHERE = "misread-cursors-elsewhere"
    """Such a cursor is taken for that of some user far from it, always the same one."""
    REFUSE_MADE_CURSORS = "refuse-made-cursors"
    """Such a cursor is 400."""
    NO_COUNT = "no-count"
    """`/users/count` is 404."""
    CAPPED_COUNT = "capped-count"
    """`/users/count` says at most 100,000, `refreshed_at` null: documented for large accounts between refreshes."""
    NO_SORT = "no-sort"
    """Every `sort` is refused."""
    IGNORED_SORT = "ignored-sort"
    """Every `sort` is ignored: users come by id (default: it is documented for cursors, and taken)."""
    IGNORED_ROLE = "ignored-role"
    """The list takes no notice of `role` and `role[]`: all users come."""
    NO_INCREMENTAL = "no-incremental"
    """The incremental export is 403, as for callers who are no admins (documented)."""
    CLAMPED_SIZE = "clamped-size"
    """`page[size]` over 100 means 100 (default: 400)."""
    STRICT_ROLE = "strict-role"
    """An unknown role is 400 (default: no users)."""
    STRICT_INCLUDE = "strict-include"
    """An unknown sideload is 400 (default: ignored)."""
    FIRST_RATE_HEADERS = "first-rate-headers"
    """`rate-limit`, `rate-limit-remaining`, `rate-limit-reset`, as in 2023; since 2024 `ratelimit-limit` and so on."""
    NO_EXPIRES_IN = "no-expires-in"
    """A new token does not say how long it lives (reported; default: where that was asked for, it does)."""
    CREATED_TOKENS = "tokens-201"
    """A new token comes with 201 (documented; default: 200, observed)."""
    JWT_TOKENS = "jwt-tokens"
    """Tokens are JWTs of 1,000 characters, as those of newer clients (reported; default: 64 hex digits)."""
    NARROW_SCOPE = "narrow-scope"
    """`users:read` opens the list alone (default: its count, the incremental export and `users/me` as well)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a sandbox can be told. The defaults are a quick and faultless account of 100,000 users.

    :param users: how many users the account has, 0 to `MAX_USERS`.
    :param seed: which account: the same seed, size and shape make the same account, byte for byte.
    :param shares: the proportion of roles.
    :param ids: how ids lie.
    :param plain: no awkward users: no control characters, emoji, right-to-left or huge texts.
    :param churn: how often the account changes while it is exported.
    :param port: where to listen on 127.0.0.1; 0 finds a free one.
    :param latency: seconds before every answer.
    :param jitter: seconds; a uniform share of it is added to every latency.
    :param clock_skew: seconds that the server's clock is ahead of the true time, or behind if negative.
    :param rate_limit: requests a window; None for no limit.
    :param window: the length of the fixed window, in seconds (documented: 60).
    :param incremental_limit: requests a window to the incremental export (documented: 10); None for no limit of its
        own.
    :param incremental_lag: what changed less than so many seconds ago, the incremental export leaves out, and it
        refuses to begin there (both documented, as a minute).
    :param item_cursors: where item cursors stand.
    :param tokens: API or OAuth tokens of which requests need one; none means that nothing is demanded.
    :param oauth_clients: who may ask for tokens; if there are any, requests need a token that lives.
    :param token_life: seconds that an access token lives, whatever was asked for; None: as asked for.
    :param refresh_life: the same of a refresh token.
    :param faults: the script of faults, see `faults.script.parse`.
    :param token_faults: the same for requests to `/oauth/tokens`, counted by themselves.
    :param quirks: behaviours other than the default.
    :raises ValueError: if a number is out of range, in words fit for a person.
    """

    users: int = 100_000
    seed: int = 1
    shares: RoleShares = field(default_factory=RoleShares)
    ids: IdLayout = IdLayout.SPREAD
    plain: bool = False
    churn: ChurnRate = field(default_factory=ChurnRate)
    port: int = 8080
    latency: float = 0.0
    jitter: float = 0.0
    clock_skew: float = 0.0
    rate_limit: int | None = 700
    window: float = 60.0
    incremental_limit: int | None = 10
    incremental_lag: float = 60.0
    item_cursors: ItemCursors = ItemCursors.USER_META
    tokens: tuple[str, ...] = field(default=(), repr=False)
    oauth_clients: tuple[OAuthClient, ...] = ()
    token_life: float | None = None
    refresh_life: float | None = None
    faults: tuple[Rule, ...] = ()
    token_faults: tuple[Rule, ...] = ()
    quirks: frozenset[Quirk] = frozenset()

    def __post_init__(self) -> None:
        if not 0 <= self.users <= MAX_USERS:
            raise ValueError(f"users must be between 0 and {MAX_USERS:,}, not {self.users:,}")
        if min(self.shares) < 0 or not sum(self.shares):
            raise ValueError("shares of roles must not be negative, nor all zero")
        if self.churn.rate < 0 or (self.churn.total or 0) < 0:
            raise ValueError("churn must not be negative")
        if not 0 <= self.port < 65_536:
            raise ValueError(f"port must be between 0 and 65535, not {self.port}")
        if min(self.latency, self.jitter, self.incremental_lag) < 0:
            raise ValueError("latency, jitter and lag must not be negative")
        if min(self.rate_limit or 1, self.incremental_limit or 1) < 1:
            raise ValueError("a rate limit must be at least 1")
        if any(life is not None and life <= 0 for life in (self.token_life, self.refresh_life)):
            raise ValueError("a token must live longer than 0 seconds")
        if len({client.id for client in self.oauth_clients}) < len(self.oauth_clients):
            raise ValueError("two OAuth clients have the same identifier")
        if self.window <= 0:
            raise ValueError("the window must be longer than 0 seconds")
