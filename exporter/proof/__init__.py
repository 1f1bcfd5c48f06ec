"""The manifest of a finished export, and the proof of the files against it (P11).

May touch: the manifest, and the files it names, to read. Promises: whatever differs from the manifest is named.
"""

from __future__ import annotations

from exporter.proof.manifest import (
    SWAP,
    Verified,
    count_superseded,
    describe_file,
    first_user,
    is_manifest,
    read_manifest,
    verify,
    write_manifest,
)

__all__ = [
    "SWAP",
    "Verified",
    "count_superseded",
    "describe_file",
    "first_user",
    "is_manifest",
    "read_manifest",
    "verify",
    "write_manifest",
]
