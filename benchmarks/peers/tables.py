"""From stored results to markdown: three tables, and where they stand in benchmarks/README.md."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.contestants import CONTESTANTS

BEGIN, END = "<!-- written by make bench-peers -->", "<!-- end of what it wrote -->"
"""In the README, what stands between these two is a run's."""


def render(results: dict[str, Any]) -> str:
    """Return the whole text that a run has to say."""
    rows = results["contestants"]
    paced, free, odd = results["paced"], results["free"], results["odd"]
    return "\n\n".join(
        (
            _machine(results),
            f"With {spaced(paced['latency'])} of latency, up to {spaced(paced['jitter'])} of jitter, "
            f"{paced['allowed']:,} requests a minute allowed:",
            _table(
                "users|seconds|users/s|requests a minute|of those allowed|under way at once|429s|all there?",
                _pace,
                rows,
            ),
            f"With no latency and no limit, {free['users']:,} users; then {odd['users']:,} users hard to carry:",
            _table("CPU per 1,000 users|CPU to start|peak memory|every value kept|the same, odd users", _cost, rows),
            "Who they are:",
            _table("version|what is called|patch|what it writes|after a kill|proves it is complete?", _who, rows),
        )
    )


def put_into(text: str, results: dict[str, Any]) -> str:
    """Return a README with the tables of these results in it, in place of those before."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{render(results)}\n\n{END}{rest.partition(END)[2]}"


def _machine(results: dict[str, Any]) -> str:
    about = results["machine"]
    return (
        f"{results['date']}, commit {results['commit']}, {about['cores']} cores, {about['architecture']}, "
        f"Python {about['python']}, Node {about['node']}"
    )


def _table(heads: str, cells: Any, rows: list[dict[str, Any]]) -> str:
    heads_of = heads.split("|")
    lines = [f"| | {' | '.join(heads_of)} |", "|---" * (len(heads_of) + 1) + "|"]
    for row in rows:
        values = cells(row)
        values += ["–"] * (len(heads_of) - len(values))
        lines.append(f"| {row['name']} | {' | '.join(values)} |")
    return "\n".join(lines)


def _pace(row: dict[str, Any]) -> list[str]:
    done = row["paced"]
    if "error" in done:
        return [f"failed: {done['error']}"]
    granted = (done["requests"] - done["limited"]) / done["wall"] * 60
    return [
        f"{done['users']:,}",
        f"{done['wall']:.1f}",
        f"{users_per_second(row):,.0f}",
        f"{granted:,.0f}",
        f"{granted / row['allowed']:.0%} of {row['allowed']:,}",
        str(done["most_under_way"]),
        f"{done['limited']:,}",
        _all_there(done),
    ]


def _cost(row: dict[str, Any]) -> list[str]:
    done, odd = row["free"], row["odd"]
    strange = f"failed: {odd['error']}" if "error" in odd else _share(odd)
    if "error" in done:
        return [f"failed: {done['error']}", "–", "–", "–", strange]
    return [
        f"{done['cpu_per_1000']:.3f} s",
        f"{done['start_up']:.1f} s",
        f"{done['peak'] / 2**20:.0f} MiB",
        _share(done),
        strange,
    ]


def _who(row: dict[str, Any]) -> list[str]:
    about = next(each for each in CONTESTANTS if each.name == row["name"])
    return [row["version"], about.call, about.patch, about.writes, about.resume, about.proof]


def _share(done: dict[str, Any]) -> str:
    return "all" if done["kept"] == done["users"] else f"{done['kept']:,}"


def _all_there(done: dict[str, Any]) -> str:
    twice = done["lines"] - done["distinct"]
    return ("yes" if done["distinct"] == done["users"] else f"{done['distinct']:,}") + (
        f", {twice:,} twice" if twice else ""
    )


def users_per_second(row: dict[str, Any]) -> float | None:
    """Return how fast a contestant was; None if it failed."""
    done = row["paced"]
    return None if "error" in done else done["distinct"] / done["wall"]


def spaced(time: str) -> str:
    """Return a time as a person writes it, from the form that flags have: 300ms is 300 ms."""
    return time.replace("ms", " ms")
