"""Output is read back as far as it is written, whatever stands behind that, and any damage has words."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from exporter.destination import parse_destination
from exporter.errors import OutputError
from exporter.model import Query, Role
from exporter.output.files import FileSink
from exporter.output.reading import lines_of

LINES = [b'{"id":%d,"role":"agent"}\n' % each for each in range(1, 2001)]
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "out.ndjson": bytes,
    "out.ndjson.gz": gzip.compress,
    "out.ndjson.gz.partial": gzip.compress,
    "out.ndjson.zst": zstandard.ZstdCompressor().compress,
}


def go_on() -> bool:
    return False


def ids_of(path: Path, size: int) -> list[int]:
    return [user_id for user_id, _ in lines_of(path, size, go_on)]


@pytest.mark.parametrize("name", PACKED)
def test_of_a_file_that_grows_just_what_is_written_is_read(name: str, tmp_path: Path) -> None:
    path, pack = tmp_path / name, PACKED[name]
    first, second = pack(b"".join(LINES[:1000])), pack(b"".join(LINES[1000:]))
    for behind in (b"", second[: len(second) // 2], second):
        path.write_bytes(first + behind)
        assert ids_of(path, len(first)) == list(range(1, 1001))
    assert ids_of(path, len(first) + len(second)) == list(range(1, 2001))
    assert list(lines_of(path, len(first), go_on)) == list(zip(range(1, 1001), LINES, strict=False))
    assert ids_of(path, 0) == []


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("damage", ["cut", "garbage", "no user", "no text", "deep", "gone"])
def test_what_can_not_be_read_is_an_error_that_names_the_file(name: str, damage: str, tmp_path: Path) -> None:
    path, pack = tmp_path / name, PACKED[name]
    whole = pack(b"".join(LINES))
    content = {
        "cut": whole[:-9],
        "garbage": whole[: len(whole) // 2] + bytes(range(256)),
        "no user": pack(b"[]\n"),
        "no text": pack(b'{"\xff":1}\n'),
        "deep": pack(b'{"name":' + b"[" * 100_000 + b"\n"),
        "gone": b"",
    }[damage]
    path.write_bytes(content)
    if damage == "gone":
        path.unlink()
    with pytest.raises(OutputError, match=path.name):
        ids_of(path, len(content))


@pytest.mark.anyio
@pytest.mark.parametrize("rest", [b"garbage}", b'"role":"\xff"}'], ids=["no JSON", "no text"])
async def test_a_line_that_is_damaged_behind_its_id_is_an_error_that_names_the_file(
    rest: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "out.ndjson.partial"
    path.write_bytes(b'{"id":5,%b\n' % rest)
    sink = FileSink(parse_destination(str(tmp_path / "out.ndjson")), Query(roles=(Role.AGENT,)))
    sink.open({"out.ndjson": path.stat().st_size})
    try:
        assert await sink.written([6]) == {}
        with pytest.raises(OutputError, match=path.name):
            await sink.written([5])
    finally:
        sink.close()


@pytest.mark.parametrize("name", PACKED)
def test_who_waits_no_longer_is_read_for_no_longer(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(PACKED[name](b"".join(LINES)))
    asked = iter([False, True])
    assert len(list(lines_of(path, path.stat().st_size, lambda: next(asked)))) == 1001
