"""What any writer needs of a disk: its errors in words, and names that a power loss does not take back."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.errors import OutputError

_CAN_NOT_SYNC = (errno.EINVAL, errno.ENOTSUP)
"""What file systems say that know no sync of a folder; there is nothing to wait for, then."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn an OSError into an OutputError which names the path and the space that is left."""
    try:
        yield
    except OSError as exc:
        if exc.errno == errno.ELOOP:  # what O_NOFOLLOW calls a symlink
            raise OutputError(f"{path} is a symlink: nothing is written through one") from exc
        raise OutputError(f"{path}: {exc.strerror or exc}{free_space(path)}") from exc


def free_space(path: Path) -> str:
    """Say in brackets how much space is left where a path is; nothing if that can't be known."""
    try:
        stat = os.statvfs(path.parent)
    except OSError:
        return ""
    return f" ({stat.f_bavail * stat.f_frsize / 1e6:,.1f} MB free)"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: what was created, renamed and removed in it.

    :raises OutputError: if the disk refuses.
    """
    with translated(folder):
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:  # names can be made in a folder that can't be read; it just can't be synced
            return
        try:
            os.fsync(fd)
        except OSError as exc:
            if exc.errno not in _CAN_NOT_SYNC:
                raise
        finally:
            os.close(fd)


def make_folder(folder: Path) -> None:
    """Make a folder and what leads to it, private; durable, so that what is synced in it is not lost with its name.

    What leads to it is private too: in a folder that others can write to, they could put another in its place.

    :raises OutputError: if the disk refuses.
    """
    with translated(folder):
        missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
            sync_folder(each.parent)


def check_folder(folder: Path) -> None:
    """Hold a folder against what others may have put in its place.

    A symlink to a folder is the usual way to keep an export on another disk, and the person has named it: it is
    followed. Not so one that somebody else has made, in /tmp for one: it would have users' data written where he likes.

    :raises OutputError: if it is such a one.
    """
    with translated(folder):
        if folder.is_symlink() and folder.lstat().st_uid not in (os.geteuid(), 0):
            raise OutputError(f"{folder} is a symlink that another user has made: nothing is written behind it")
