"""The flags of `zexport sandbox`."""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys

import pytest

from exporter.cli import sandbox
from exporter.sandbox import ChurnRate, IdLayout, ItemCursors, OAuthClient, Quirk, RoleShares, Settings


def parsed(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    sandbox.add_parser(parser.add_subparsers())
    return parser.parse_args(["sandbox", *argv])


def read(*argv: str) -> Settings:
    return sandbox.read_settings(parsed(*argv))


def test_without_flags_the_settings_are_the_defaults() -> None:
    assert read() == Settings()


def test_every_setting_has_a_flag() -> None:
    settings = read(
        *("--users", "10", "--seed", "3", "--roles", "agent=1,admin=3", "--ids", "clustered", "--plain"),
        *("--port", "0", "--latency", "100ms", "--jitter", "0.2s", "--rate-limit", "5", "--window", "2"),
        *("--incremental-limit", "3", "--incremental-lag", "2s"),
        *("--churn", "0.5:100", "--clock-skew=-5s"),
        *("--item-cursors", "meta.map", "--token", "a", "--token", "b", "--quirk", "no-count", "--quirk", "no-sort"),
        *("--oauth-client", "cron:a:b", "--oauth-client", "desk", "--redirect-url", "http://localhost:1/"),
        *("--oauth-scope", "users:read", "--token-life", "5s", "--refresh-life", "60"),
    )
    assert settings == Settings(
        users=10,
        seed=3,
        shares=RoleShares(0, 1, 3),
        ids=IdLayout.CLUSTERED,
        plain=True,
        port=0,
        latency=0.1,
        jitter=0.2,
        rate_limit=5,
        window=2,
        incremental_limit=3,
        incremental_lag=2,
        churn=ChurnRate(0.5, 100),
        clock_skew=-5,
        item_cursors=ItemCursors.META_MAP,
        tokens=("a", "b"),
        oauth_clients=(
            OAuthClient("cron", "a:b", ("http://localhost:1/",), ("users:read",)),
            OAuthClient("desk", None, ("http://localhost:1/",), ("users:read",)),
        ),
        token_life=5,
        refresh_life=60,
        quirks=frozenset({Quirk.NO_COUNT, Quirk.NO_SORT}),
    )


def test_faults_are_a_script_in_order() -> None:
    rules = read("--fault", "429:9@n:1", "--fault", "reset@p:0.5").faults
    assert [(rule.kind, rule.argument) for rule in rules] == [("429", "9"), ("reset", "")]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("100ms", 0.1), ("0.3s", 0.3), ("0.3", 0.3), (".5", 0.5), ("2", 2), ("1.5ms", 0.0015), ("0", 0)],
)
def test_a_time_can_be_written_in_several_ways(text: str, seconds: float) -> None:
    assert sandbox.read_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "ms", "1m", "-1", "1e3", "inf", "nan", "1 s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        sandbox.read_seconds(text)


def test_churn_may_have_no_bound_and_a_clock_be_ahead() -> None:
    settings = read("--churn", "2", "--clock-skew", "300ms")
    assert (settings.churn, settings.clock_skew) == (ChurnRate(2, None), 0.3)


@pytest.mark.parametrize("text", ["0", "off"])
def test_there_can_be_no_rate_limit(text: str) -> None:
    assert read("--rate-limit", text).rate_limit is None
    assert read("--incremental-limit", text).incremental_limit is None


@pytest.mark.parametrize("place", ItemCursors)
def test_places_of_item_cursors_may_be_written_with_one_user(place: ItemCursors) -> None:
    assert read("--item-cursors", place).item_cursors is place
    assert read("--item-cursors", place.replace("users.", "user.")).item_cursors is place


def test_a_token_is_not_shown_with_the_settings() -> None:
    assert "secret" not in repr(read("--token", "secret", "--oauth-client", "cron:secret"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--users", "many"], "'many' is no whole number"),
        (["--rate-limit", "low"], "'low' is no whole number"),
        (["--roles", "boss=1"], "'boss=1' is no share"),
        (["--roles", "agent"], "'agent' is no share"),
        (["--roles", "agent=nan"], "'agent=nan' is no share"),
        (["--roles", "admin=1,agent=-1"], "'agent=-1' is no share"),
        (["--ids", "sparse"], "'sparse' is none of dense, spread, clustered"),
        (["--quirk", "odd"], "'odd' is none of has-more-absent"),
        (["--item-cursors", "links"], "'links' is none of users.meta.cursor"),
        (["--churn", "much"], "'much' is no churn"),
        (["--churn", "1:"], "'1:' is no churn"),
        (["--clock-skew=--5s"], "'-5s' is no time"),
        (["--oauth-client", "cron:"], "ID:SECRET, or ID alone"),
        (["--oauth-client", ":secret"], "ID:SECRET, or ID alone"),
        (["--token-fault", "nometa@n:1"], "'nometa' is for pages of users"),
        (["--fault", "flood@n:1"], "no fault is called 'flood'"),
    ],
)
def test_a_flag_that_cannot_be_read_says_why(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed(*flags)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--users", "-1"], "users must be between 0 and 100,000,000"),
        (["--users", "100000001"], "users must be between 0 and 100,000,000"),
        (["--roles", "agent=0"], "nor all zero"),
        (["--port", "65536"], "port must be between"),
        (["--rate-limit", "-5"], "at least 1"),
        (["--incremental-limit", "-5"], "at least 1"),
        (["--window", "0"], "longer than 0"),
        (["--token-life", "0"], "longer than 0"),
        (["--oauth-client", "a", "--oauth-client", "a:b"], "same identifier"),
    ],
)
def test_a_setting_that_cannot_be_ends_with_2(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = parsed(*flags)
    assert arguments.run(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert sandbox.run(parsed("--port", str(taken.getsockname()[1]))) == 2
    assert "--port 0 finds a free one" in capsys.readouterr().err


def test_the_flags_are_there_without_importing_aiohttp() -> None:
    program = "import sys, exporter.cli.sandbox; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
