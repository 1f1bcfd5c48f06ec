"""What any writer needs of a disk: its errors in words, and names that a power loss does not take back."""

from __future__ import annotations

import errno
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        if exc.errno == errno.ELOOP and path.is_symlink():  # what O_NOFOLLOW calls one
            raise OutputError(f"{path} is a symlink: nothing is written through one") from exc
        if exc.errno == errno.ELOOP:
            raise OutputError(f"{path}: the symlinks on the way there lead in a circle") from exc
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
            with suppress(FileExistsError):  # made by another run at the same moment, or no folder
                each.mkdir(mode=0o700)
            if not each.is_dir():
                raise OutputError(f"{each} is there, and no folder can be made of that name")
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


def check_owner(path: Path) -> None:
    """Hold what an export rests on against what others have made: theirs may say anything, and change at any time.

    :raises OutputError: if it belongs to another user, root excepted.
    """
    with translated(path):
        owner = path.lstat().st_uid
        if owner in (os.geteuid(), 0):
            return
        with tempfile.TemporaryFile(dir=path if path.is_dir() else path.parent) as ours:
            if os.fstat(ours.fileno()).st_uid == owner:  # a share, which gives all that is made there to one owner
                return
    raise OutputError(f"{path} belongs to another user (uid {owner}): no export is kept there")


def open_file(path: Path) -> io.FileIO:
    """Open a file for reading. A pipe in its place would be waited for without end, so it must be a plain one.

    :raises OSError: if it can't be opened, or is none.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is no plain file", os.fspath(path))
    return io.FileIO(fd, "rb")
