"""What the file system owes us: opening, syncing, renaming, whose a file is, and its errors in words.

May touch: the operating system, and the words. Promises: a failure names the path and the free space; nothing of
another user, no pipe and no device is taken for a file of ours; what was synced is on the disk, or an error was
raised.
"""

from __future__ import annotations

from exporter.disk.files import check_folder, check_owner, free_space, make_folder, open_file, sync_folder, translated

__all__ = [
    "check_folder",
    "check_owner",
    "free_space",
    "make_folder",
    "open_file",
    "sync_folder",
    "translated",
]
