"""Who is what: an account's users fall into cohorts, and each cohort is spread evenly over the account.

Theory of operation. The users of an account have *places* 0, 1, 2 … in the order of their ids. A cohort is the users
of one role and permission set; its *members* are numbered 0, 1, 2 … in the order of their ids too. The cohorts take
turns: the first takes its share of all places, as evenly as a line drawn in pixels takes its steps; the second takes
its share of what is left, and so on; the last takes the rest. So "where is the k-th member" and "who stands here" are a
few divisions, whatever the size, and no table is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from exporter.sandbox.settings import RoleShares


class Cohort(NamedTuple):
    """The users of one role and permission set.

    :param role: the `role` field: `end-user`, `agent` or `admin`.
    :param role_type: the `role_type` field: 0 custom, 1 light agent, 4 admin, None otherwise (documented).
    :param custom_role_id: the permission set, None without one. Admins have one as well (observed).
    :param title: the name of the permission set, or of the system role.
    """

    role: str
    role_type: int | None
    custom_role_id: int | None
    title: str


COHORTS = (
    Cohort("end-user", None, None, "end-user"),
    Cohort("agent", None, None, "agent"),
    Cohort("agent", 1, 6130852536001, "Light agent"),
    Cohort("agent", 0, 6130852536002, "Tier 2 support"),
    Cohort("agent", 0, 6130852536003, "Team lead"),
    Cohort("admin", 4, 6130852536004, "admin"),
)
"""Admins come last, so that the first user of an account is one: who founds it is its owner."""

EVERYONE = range(len(COHORTS))
"""The numbers of all cohorts."""


def cohorts_of(role: str | None) -> list[int]:
    """Return the numbers of the cohorts that make up a role, or a custom role by its name; None for everyone."""
    return [number for number in EVERYONE if role in (None, COHORTS[number].role, COHORTS[number].title)]


_AGENT_SHARES = (0.4, 0.3, 0.2, 0.1)  # of agents: no permission set, light, tier 2, team lead


def apportion(total: int, shares: tuple[float, ...]) -> list[int]:
    """Divide `total` by `shares` so that every part is its exact share, rounded up or down (largest remainder)."""
    whole = sum(shares)
    exact = [total * share / whole for share in shares]
    parts = [int(part) for part in exact]
    by_remainder = sorted(range(len(shares)), key=lambda index: parts[index] - exact[index])
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


class Roster:
    """The seating of an account: which cohort and member a place belongs to, and back.

    :param users: the size of the account.
    :param shares: the proportion of roles.
    """

    def __init__(self, users: int, shares: RoleShares) -> None:
        end_users, agents, admins = apportion(users, shares)
        self.counts = (end_users, *apportion(agents, _AGENT_SHARES), admins)
        # Turns: of so many places left, this cohort takes so many. Place x is one of them if x·count/pool
        # passes a whole number on the way to x + 1.
        pools = (users - sum(self.counts[:turn]) for turn in range(len(self.counts)))
        self._turns = tuple(zip(self.counts, pools, strict=True))
        self._turns_before = tuple(self._turns[:turn][::-1] for turn in range(len(self.counts)))

    def find(self, place: int) -> tuple[int, int]:
        """Tell who has a place: the number of the cohort, and of the member in it."""
        for cohort, (count, pool) in enumerate(self._turns):
            members = place * count // pool
            if (place + 1) * count // pool > members:
                return cohort, members
            place -= members
        raise IndexError("no such place")

    def place(self, cohort: int, member: int) -> int:
        """Tell the place of a cohort's member."""
        count, pool = self._turns[cohort]
        place = -(-(member + 1) * pool // count) - 1
        for count, pool in self._turns_before[cohort]:
            place = place * pool // (pool - count)
        return place
