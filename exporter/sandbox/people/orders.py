"""Orders of one cohort: who is the k-th by creation, change or name, and where a value stands, without any list.

Theory of operation. Members of a cohort (numbered in order of id) form *runs* of a few neighbours who share a value, as
a bulk import gives many users one time of creation. An order is then

    rank ──(length of a run)──▶ ranked run ──(shuffle)──▶ run by id ──▶ member        and back.

The value goes up by one step from ranked run to ranked run. The shuffle takes strides of one length around a circle,
which strides of another length undo. In a run the ids ascend: so an order is by value, then by id, which is how the
service breaks ties (observed). A descending order turns the values around and leaves the ids ascending (observed for
`-created_at`).
"""

from __future__ import annotations

from bisect import bisect_left
from math import gcd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Order:
    """A cohort's members by one value, then by id.

    :param count: how many members.
    :param first: the least value.
    :param span: every value is less than `first + span`; there have to be at least as many numbers as runs.
    :param run: how many neighbours share a value. Those left over at the end share one too, the greatest.
    :param block: the shuffle moves a run by less than so many runs; None for no bound. A smaller block at the
        end stays as it is.
    :param seed: where the shuffle starts.
    """

    def __init__(self, count: int, *, first: int, span: int, run: int, block: int | None, seed: int) -> None:
        whole_runs, rest = divmod(count, run)
        self._count = count
        self._run = run
        self._runs = whole_runs + (rest > 0)
        self._first = first
        self._step = span // max(self._runs, 1)
        self._block = block or max(whole_runs, 1)
        self._shuffled = whole_runs - whole_runs % self._block
        far = int(self._block * 0.618) or 1  # the golden ratio: no small number of strides comes back near the start
        self._stride = next(stride for stride in range(far, 2 * self._block) if gcd(stride, self._block) == 1)
        self._undo = pow(self._stride, -1, self._block)
        self._start = seed % self._block

    def value(self, member: int) -> int:
        """Return the value of a member."""
        run = member // self._run
        if run < self._shuffled:
            turn = run % self._block
            run += (turn - self._start) * self._undo % self._block - turn
        return self._first + run * self._step

    def member(self, rank: int, *, descending: bool) -> int:
        """Return the member at a rank; 0 is the first."""
        run, offset = divmod(self._mirror(rank) if descending else rank, self._run)
        if descending:
            offset = min(self._run, self._count - run * self._run) - 1 - offset
        if run < self._shuffled:
            turn = run % self._block
            run += (turn * self._stride + self._start) % self._block - turn
        return run * self._run + offset

    def ranks_with(self, value: float, *, descending: bool) -> range:
        """Return the ranks of all members who have a value; if none has, the empty range where they would be."""
        run = -int((self._first - value) // max(self._step, 1))  # the first that has no less
        run = min(max(run, 0), self._runs)
        first = last = run * self._run
        if self._first + run * self._step == value:
            last += self._run
        first, last = min(first, self._count), min(last, self._count)
        return range(self._mirror(last) + 1, self._mirror(first) + 1) if descending else range(first, last)

    def _mirror(self, rank: int) -> int:
        return self._count - 1 - rank


class IdOrder:
    """A cohort's members by id, which is how they are numbered.

    :param count: how many members.
    :param id_of_member: a strictly ascending function.
    """

    def __init__(self, count: int, id_of_member: Callable[[int], int]) -> None:
        self._count = count
        self.value = id_of_member

    def member(self, rank: int, *, descending: bool) -> int:
        """Return the member at a rank; 0 is the first."""
        return self._count - 1 - rank if descending else rank

    def ranks_with(self, value: float, *, descending: bool) -> range:
        """Return the rank of the member who has an id; if nobody has, the empty range where it would be."""
        first = bisect_left(range(self._count), value, key=self.value)
        last = first + (first < self._count and self.value(first) == value)
        return range(self._count - last, self._count - first) if descending else range(first, last)
