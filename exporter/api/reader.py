"""Bodies → pages, held to what the person asked for, and what a person should know of them."""

from __future__ import annotations

from collections.abc import Callable

from exporter.errors import TextError
from exporter.model import Increment, Page, Query, Role
from exporter.pages import leads_to, read_increment, read_page


class Reader:
    """Reads what one account answers.

    :param origin: the account's own; links elsewhere are told of.
    :param strict: text that is no Unicode is an error; else it is mended.
    :param warn: told what the manifest is to warn of, each once.
    :param show: makes a server's words fit to be shown.
    """

    def __init__(
        self, origin: str, *, strict: bool, warn: Callable[[str], None] | None, show: Callable[[str], str] = str
    ) -> None:
        self._origin, self._strict, self._warn, self._show = origin, strict, warn, show
        self._warned: set[str] = set()

    def page(self, body: bytes, query: Query, *roles: Role, after: str | None) -> Page:
        """Read one page of the list.

        :raises NotAPage: if it is none. :raises TextError: with `strict`, if text is no Unicode.
        """
        page = read_page(body, query, *roles, after=after)
        self._hold_to_strict(page.mended)
        for kind in page.mended_kinds:
            if self._strict:
                raise TextError(f"text of sideloaded {kind} is no valid Unicode")
            self.warn_once(kind, f"text of sideloaded {kind} that is no valid Unicode was replaced by U+FFFD")
        host = leads_to(page.links, self._origin)
        if host is not None:
            led = self._show(host)
            self.warn_once("links", f"links of the server led to {led}, not to the account; none was followed")
        return page

    def increment(self, body: bytes) -> Increment:
        """Read one page of the incremental export; raises as `page` does."""
        came = read_increment(body)
        self._hold_to_strict(came.mended)
        return came

    def warn_once(self, about: str, text: str) -> None:
        """Warn, unless it was warned of this already."""
        if self._warn is not None and about not in self._warned:
            self._warned.add(about)
            self._warn(text)

    def _hold_to_strict(self, mended: tuple[int, ...]) -> None:
        if self._strict and mended:
            raise TextError(f"text of users is no valid Unicode: {', '.join(map(str, mended))}")
