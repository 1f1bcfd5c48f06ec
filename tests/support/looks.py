"""Requests that are made beside an export's pages: who we are, whether roles are told apart, what changed last."""

from __future__ import annotations

from urllib.parse import unquote


def is_look(target: str) -> bool:
    """Tell whether a request's target is one of them."""
    return "/users/me" in target or "page[size]=10&" in unquote(target) + "&"
