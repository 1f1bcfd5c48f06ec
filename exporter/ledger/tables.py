"""The tables of the ledger, and what they mean in words that stand in the file itself."""

from __future__ import annotations

VERSION = 4
"""Raised with any change that an older zexport would misread."""

SCHEMA = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE run (
    number INTEGER PRIMARY KEY, started_at TEXT NOT NULL, seconds REAL NOT NULL DEFAULT 0,
    users_written INTEGER NOT NULL DEFAULT 0, requests INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0, ended TEXT NOT NULL DEFAULT '');
CREATE TABLE stream (role TEXT PRIMARY KEY, expected_users INTEGER);
CREATE TABLE range (
    number INTEGER PRIMARY KEY, role TEXT NOT NULL REFERENCES stream, cursor TEXT, skip INTEGER NOT NULL DEFAULT 0,
    last_id INTEGER, until_id INTEGER, users INTEGER NOT NULL DEFAULT 0, finished INTEGER NOT NULL DEFAULT 0);
CREATE TABLE file (
    name TEXT PRIMARY KEY, synced_bytes INTEGER NOT NULL DEFAULT 0, records INTEGER NOT NULL DEFAULT 0);
CREATE TABLE sideload_written (kind TEXT, identity TEXT, PRIMARY KEY (kind, identity)) WITHOUT ROWID;
CREATE TABLE intent (number INTEGER PRIMARY KEY, writes_and_moves TEXT NOT NULL, crc32 INTEGER NOT NULL);
CREATE TABLE warning (text TEXT PRIMARY KEY, times INTEGER NOT NULL, ids TEXT NOT NULL DEFAULT '');
CREATE TABLE warned (text TEXT, id INTEGER, PRIMARY KEY (text, id)) WITHOUT ROWID;
CREATE TABLE seal (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""

SEALED = ("about", "run", "stream", "range", "file", "warning")
"""Tables of which a seal is kept: all that stay small."""
MARK = "-mark"
"""What the name of the mark has behind the ledger's."""

ABOUT = {
    "what": "the positions of a zexport export; zexport alone writes here",
    "table run": "one row for each start of `zexport run`; ended is empty while it runs, or if it was killed",
    "table stream": "one row a role; expected_users is the account's own count, an estimate",
    "table range": "a part of a stream, that ends before the user until_id, or with the stream; all of its users up to "
    "last_id are in the output; the next request asks behind cursor, and passes over skip users that are written",
    "table file": "output files; what lies behind synced_bytes is not known to be on disk yet",
    "table intent": "lines written or about to be written behind synced_bytes, with a CRC-32 each",
    "table sideload_written": "records of sideload files, so that each is written once",
    "table warning": "what the manifest and the summary will warn of, how often, and the first ids it is about",
    "table warned": "all ids that a warning is about, so that each is counted once",
    "table seal": "a CRC-32 of the rows of each small table, and how many durable commits there were: as many as the "
    "file beside this one says whose name ends with -mark, or one more",
    "table about": "these words, and what the export is of: account, query, output",
}
