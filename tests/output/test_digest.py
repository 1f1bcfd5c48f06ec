"""P11: a file's SHA-256, read back bit by bit while the file grows, is that of the whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.output.digest import Digest


@given(st.lists(st.tuples(st.binary(max_size=2000), st.none() | st.integers(0, 3000)), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_however_it_grows_and_is_read_the_digest_is_that_of_the_whole(
    tmp_path: Path, steps: list[tuple[bytes, int | None]]
) -> None:
    path, whole, digest = tmp_path / "file", b"", Digest()
    path.write_bytes(b"")
    for added, most in steps:
        whole += added
        path.write_bytes(whole)
        before = digest.size
        assert digest.read(path, most)
        assert digest.size == (len(whole) if most is None else min(before + most, len(whole)))
    assert digest.read(path)
    assert (digest.size, digest.hexdigest()) == (len(whole), hashlib.sha256(whole).hexdigest())


def test_a_stop_leaves_it_where_it_can_go_on(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000)
    digest, asked = Digest(), iter([False, True])
    assert not digest.read(path, stop=lambda: next(asked))
    assert 0 < digest.size < 1_000_000
    assert digest.read(path)
    assert digest.hexdigest() == hashlib.sha256(b"x" * 1_000_000).hexdigest()
