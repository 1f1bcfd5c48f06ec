"""Where an export goes: every form, and the name of everything in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.destination import Compression, Destination, parse_destination
from exporter.errors import UsageError
from exporter.model import Query, Role, Sideload

QUERY = Query(include=(Sideload.ROLES,))


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("text", ["out", "./out/", "out/", "sub/../out"])
def test_a_folder_has_a_file_for_each_role(text: str, tmp_path: Path) -> None:
    found = parse_destination(text)
    assert (found.folder, found.file, found.stdout) == (tmp_path / "out", None, False)
    assert found.ledger == tmp_path / "out/.zexport/ledger.db"
    assert found.manifest == tmp_path / "out/manifest.json"
    assert found.files(QUERY) == {
        "end-user.ndjson": Role.END_USER,
        "agent.ndjson": Role.AGENT,
        "admin.ndjson": Role.ADMIN,
        "roles.ndjson": Sideload.ROLES,
    }


@pytest.mark.parametrize(
    ("compression", "suffix"), [(Compression.GZIP, ".gz"), (Compression.ZSTD, ".zst"), (Compression.NONE, "")]
)
def test_names_in_a_folder_tell_the_compression(compression: Compression, suffix: str) -> None:
    found = parse_destination("out", compression=compression)
    assert found.users_file(Role.AGENT) == f"agent.ndjson{suffix}"
    assert found.sideload_file(Sideload.GROUPS) == f"groups.ndjson{suffix}"


@pytest.mark.parametrize(
    ("text", "compression", "sideload"),
    [
        ("users.ndjson", Compression.NONE, "users.roles.ndjson"),
        ("users.jsonl", Compression.NONE, "users.roles.ndjson"),
        ("users.ndjson.gz", Compression.GZIP, "users.roles.ndjson.gz"),
        ("users.jsonl.zst", Compression.ZSTD, "users.roles.ndjson.zst"),
        ("a.b.ndjson", Compression.NONE, "a.b.roles.ndjson"),
        ("x.ndjson.ndjson", Compression.NONE, "x.ndjson.roles.ndjson"),
    ],
)
def test_a_file_takes_all_users_and_its_name_tells_the_compression(
    text: str, compression: Compression, sideload: str, tmp_path: Path
) -> None:
    found = parse_destination(f"sub/{text}")
    assert (found.folder, found.file, found.compression) == (tmp_path / "sub", text, compression)
    assert found.files(QUERY) == {text: None, sideload: Sideload.ROLES}


def test_a_file_has_its_ledger_and_manifest_beside_it(tmp_path: Path) -> None:
    found = parse_destination("sub/users.ndjson.gz")
    assert found.ledger == tmp_path / "sub/users.ndjson.gz.zexport/ledger.db"
    assert found.manifest == tmp_path / "sub/users.ndjson.gz.zexport/manifest.json"


def test_stdout_has_neither_ledger_nor_manifest() -> None:
    found = parse_destination("-")
    assert (found.stdout, found.ledger, found.manifest) == (True, None, None)
    assert found.files(Query()) == {"-": None}


def test_stdout_with_a_ledger_has_a_manifest_beside_that(tmp_path: Path) -> None:
    found = parse_destination("-", ledger="sub/my.db")
    assert (found.stdout, found.ledger) == (True, tmp_path / "sub/my.db")
    assert found.manifest == tmp_path / "sub/my.db.manifest.json"


def test_a_folder_that_is_there_is_a_folder_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "users.ndjson").mkdir()
    assert parse_destination("users.ndjson").folder == tmp_path / "users.ndjson"


def test_a_file_that_is_there_is_taken_again(tmp_path: Path) -> None:
    (tmp_path / "users.ndjson").touch()
    assert parse_destination("users.ndjson").file == "users.ndjson"


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert parse_destination("link").folder == tmp_path / "link"


@pytest.mark.parametrize(
    "text",
    [
        "users.json",
        "users.csv",
        "users.gz",
        "users.zst",
        "ledger.db",
        "x.parquet",
        "x.tsv",
        "x.zip",
        "",
        "  ",
        "a\0b",
        "a\0.ndjson",
    ],
)
def test_a_name_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_destination(text)


def test_a_file_of_another_kind_is_not_taken_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(UsageError, match="neither"):
        parse_destination("notes")


@pytest.mark.parametrize("text", ["users.ndjson", "users.ndjson.zst"])
def test_a_compression_that_contradicts_the_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="does not fit"):
        parse_destination(text, compression=Compression.GZIP)


@pytest.mark.parametrize("text", ["users.ndjson.gz", "folder"])
def test_a_compression_that_agrees_with_the_name_is_taken(text: str) -> None:
    assert parse_destination(text, compression=Compression.GZIP).compression is Compression.GZIP


def test_stdout_is_not_compressed() -> None:
    with pytest.raises(UsageError, match="--compress"):
        parse_destination("-", compression=Compression.GZIP)
    assert parse_destination("-", compression=Compression.NONE).stdout


@pytest.mark.parametrize("text", ["folder", "users.ndjson"])
def test_a_ledger_of_ones_own_is_for_stdout_only(text: str) -> None:
    with pytest.raises(UsageError, match="--ledger"):
        parse_destination(text, ledger="x.db")


@given(st.text(max_size=30))
def test_any_text_is_a_destination_or_refused(text: str) -> None:
    try:
        found = parse_destination(text)
    except UsageError:
        return
    assert isinstance(found, Destination)
    assert found.folder.is_absolute() or found.stdout


@given(st.sampled_from(["out", "a.ndjson", "b.jsonl.gz"]), st.permutations(list(Sideload)))
def test_no_two_files_of_an_export_share_a_name(text: str, include: list[Sideload]) -> None:
    found = parse_destination(text)
    names = found.files(Query(include=tuple(include)))
    assert len(names) == len(include) + (3 if found.file is None else 1)
    assert all("/" not in name for name in names)
