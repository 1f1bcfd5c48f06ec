"""Whether a page may be believed: what it shows is held against what the walk knows. Pure.

Rules:

1. An answer that contradicts what is known is no page. It is asked for again; what stays so ends the export.
2. Pages that touch are proven to touch: with overlap a page begins with the last user written. Where he is not on it,
   the page before its first user tells whether anybody is between.
3. A range that is cut off above ends where it meets the range above. Where it does not, the page before that bound
   tells whether anybody is left.
4. What may be so, and is odd (fewer users than asked for, no cursor, another cursor than the last user's), is believed
   when the very same comes again.
5. A stream's end is never believed at once: `accept` has it confirmed.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from operator import ne

from exporter.model import Page, Position
from exporter.ranges.walk import Walk, descent, first_descent

BARE, ODD_CURSORS, SHORT, EMPTY = "pages_without_cursors", "odd_cursors", "short_pages", "empty_pages"
"""What may be so, and is odd: the names under which it is counted."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason not to believe a page yet.

    :param why: in words that name ids.
    :param odd: what it is counted as where it is believed when it comes again; empty: it never is.
    :param times: how many answers of the kind make it believed.
    :param before: the id before which a look tells whether anybody is there behind the last user in hand.
    :param ends: if nobody is, the range ends here.
    """

    why: str
    odd: str = ""
    times: int = 2
    before: int | None = None
    ends: bool = False

    @property
    def name(self) -> str:
        """What is believed once it is settled; empty where nothing settles it."""
        return self.odd if self.before is None else f"nobody before {self.before}"


def without_repeats(page: Page) -> Page:
    """Take out of a page who is on it a second time, right behind himself."""
    if all(map(ne, page.ids, page.ids[1:])):
        return page
    return page.only([at for at, user_id in enumerate(page.ids) if not at or page.ids[at - 1] != user_id])


def judge(walk: Walk, page: Page, size: int, believed: Container[str] = ()) -> Doubt | None:
    """Hold a page by ascending id against its walk; None: it may be believed.

    :param size: how many users were asked for.
    :param believed: what is odd and has come often enough.
    """
    ids, stands = page.ids, walk.position
    if pair := first_descent(ids):
        return Doubt(descent(walk.role, *pair))
    last_id, begun_anew = stands.last_id, walk.begun_anew
    doubt = _begins(walk, page) if last_id is None else None if begun_anew else _touches(walk, page, last_id)
    if doubt is not None and doubt.name not in believed:
        return doubt
    fresh = bool(ids) and (last_id is None or ids[-1] > last_id)
    if page.more and not begun_anew and ids != [last_id]:
        if page.after is not None and walk.has_been_at(page.after):
            return Doubt(f"the walk over {walk.role} goes in a circle: it leads to where it has been")
        if ids and not fresh and stands.skip <= 1:  # else all of the page may be what is to be skipped
            return Doubt(f"the walk over {walk.role} does not get ahead: all users up to {ids[-1]} came before")
    for is_so, what, odd in (
        (ids and page.last is None, "has no cursors", BARE),
        (not page.consistent, "has other cursors than those of its first and last user", ODD_CURSORS),
        (page.more and len(ids) < size and not begun_anew, f"has {len(ids)} of {size}, and says there are more", SHORT),
    ):
        if is_so and odd not in believed:
            return Doubt(f"a page of {walk.role} that ends with {ids[-1] if ids else 'nobody'} {what}", odd=odd)
    on = page.more and (fresh or begun_anew)
    return _ends(walk, page, last_id) if walk.until is not None and not on else None


def _begins(walk: Walk, page: Page) -> Doubt | None:
    """Have a look whether anybody is before a stream's first page: no page below it can tell."""
    if not walk.confirm or not page.ids or walk.position.cursor is not None or page.before is None:
        return None
    why = f"there are users of {walk.role} before {page.ids[0]}, the first one of the first page"
    return Doubt(why, before=page.ids[0])


def _touches(walk: Walk, page: Page, last_id: int) -> Doubt | None:
    """Tell whether a page goes on where the walk stands."""
    ids, skip = page.ids, walk.position.skip
    if last_id in ids or (skip > 1 and ids and ids[0] <= last_id):
        return None
    if ids and ids[0] <= last_id:
        return Doubt(f"a page of {walk.role} behind {last_id} begins with {ids[0]}")
    if not walk.overlap or (skip <= 0 and (page.cursors is None or not ids)):
        return None  # nothing to tell by; an empty page is an end, and ends are confirmed
    if not ids:  # he was to be on it: where he is gone, he was the last
        return Doubt(f"a page of {walk.role} that was to begin with {last_id} is empty", odd=EMPTY, times=3)
    return Doubt(f"a page of {walk.role} begins with {ids[0]}, not with {last_id}, the last one before", before=ids[0])


def _ends(walk: Walk, page: Page, last_id: int | None) -> Doubt | None:
    """Tell whether a range that is cut off above has met the one above it, where a page says that it ends."""
    assert walk.until is not None
    in_hand = max([*page.ids, *([] if last_id is None else [last_id])], default=-1)
    if in_hand + 1 >= walk.until or walk.released:
        return None
    why = f"users of {walk.role} end with {in_hand}, before they have come to {walk.until}"
    why = why if in_hand >= 0 else f"there are no users of {walk.role} before {walk.until}"
    return Doubt(why, before=walk.until, ends=True)


def shows_nobody(look: Page, bound: int, last_id: int | None, stands: Position) -> bool | None:
    """Tell whether the page before an id shows that nobody stands between it and the last user in hand.

    :param bound: the id before which the page is to end.
    :param last_id: the last user in hand; None: none.
    :returns: None where it seems so, by users that may have nothing to do with it: he may be gone as well.
    """
    if not look.ids:
        return None if last_id is not None else True
    if look.ids[-1] >= bound:  # no look at all; where it begins as the first page did, that was said twice
        return last_id is None and look.ids[0] == bound
    if last_id is None or look.ids[-1] > last_id:
        return False
    return True if look.ids[-1] == last_id or (look.last is not None and look.last == stands.cursor) else None
