"""From stored results to an SVG: two rows of bars, readable in light and dark, without any library."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from benchmarks.peers.tables import spaced, users_per_second

WIDTH, TOP, ROW, BAR, NAMES, GAP = 960, 92, 34, 20, 118, 24
LEFT, RIGHT = NAMES + 12, 566  # where the bars of the two panels begin
SPEED_ROOM, CPU_ROOM = 400, 290  # how long the longest bar may be
STYLE = """
  svg { color-scheme: light dark }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .ground { fill: #ffffff } .soft { fill: #59636e } .title { font-weight: 600; font-size: 15px }
  .name { text-anchor: end } .ours { font-weight: 600 }
  .bar { fill: #9aa4af } .bar.ours { fill: #0969da }
  .limit { stroke: #bc4c00; stroke-width: 1.5; stroke-dasharray: 4 3 } .limit-word { fill: #bc4c00; text-anchor: end }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .ground { fill: #0d1117 } .soft { fill: #9198a1 }
    .bar { fill: #656c76 } .bar.ours { fill: #4493f8 } .limit { stroke: #db6d28 } .limit-word { fill: #db6d28 }
  }"""


def draw(results: dict[str, Any]) -> str:
    """Return the chart. Both scales are linear and begin at nothing: a bar twice as long is twice as much."""
    rows = results["contestants"]
    paced = results["paced"]
    limit = paced["allowed"] * 100 / 60  # users a second, at a hundred a page
    speeds = [users_per_second(row) for row in rows]
    costs = [row["free"].get("cpu_per_1000") for row in rows]
    most = max([limit, *(speed for speed in speeds if speed)])
    dearest = max([cost for cost in costs if cost], default=1)
    bottom = TOP + ROW * len(rows)
    height = bottom + 64
    end = LEFT + limit / most * SPEED_ROOM
    parts = [
        f'<text class="title" x="{LEFT}" y="30">Users a second</text>',
        f'<text class="soft" x="{LEFT}" y="50">longer is better; {spaced(paced["latency"])} of latency, '
        f"{paced['allowed']:,} requests a minute</text>",
        f'<text class="title" x="{RIGHT}" y="30">CPU seconds for 1,000 users</text>',
        f'<text class="soft" x="{RIGHT}" y="50">shorter is better; start of the process not counted</text>',
        f'<line class="limit" x1="{end:.1f}" y1="{TOP - 12}" x2="{end:.1f}" y2="{bottom}"/>',
        f'<text class="limit-word" x="{end:.1f}" y="{TOP - 18}">what the limit allows: {limit:,.0f}</text>',
    ]
    for number, (row, speed, cost) in enumerate(zip(rows, speeds, costs, strict=True)):
        y = TOP + ROW * number
        ours = " ours" if number == 0 else ""
        parts.append(f'<text class="name{ours}" x="{NAMES}" y="{y + 15}">{escape(row["name"])}</text>')
        said = None if speed is None else f"{speed:,.0f}"
        parts += _bar(LEFT, y, speed and speed / most * SPEED_ROOM, said, ours, SPEED_ROOM)
        said = None if cost is None else f"{cost:.3f}"
        parts += _bar(RIGHT, y, cost and cost / dearest * CPU_ROOM, said, ours, CPU_ROOM + 90)
    notes = (
        f"{results['date']}, commit {results['commit']}, {results['machine']['cores']} cores, the sandbox on loopback.",
        "tap-zendesk asks the incremental export, which is limited to 10 requests a minute, of 1,000 users each.",
    )
    for number, note in enumerate(notes):
        parts.append(f'<text class="soft" x="{LEFT}" y="{bottom + 26 + 20 * number}">{escape(note)}</text>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="Users a second and CPU of zexport and its peers">\n<style>{STYLE}\n</style>\n'
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>\n{body}\n</svg>\n'
    )


def _bar(x: int, y: int, length: float | None, said: str | None, ours: str, room: int) -> list[str]:
    """Return a bar with its number behind it, or inside its end where there is no room behind."""
    if length is None or said is None:
        return [f'<text class="soft" x="{x}" y="{y + 15}">failed</text>']
    inside = length + 50 > room
    place = f'x="{x + length - 6:.1f}" text-anchor="end" style="fill:#fff"' if inside else f'x="{x + length + 7:.1f}"'
    return [
        f'<rect class="bar{ours}" x="{x}" y="{y}" width="{max(length, 1.5):.1f}" height="{BAR}" rx="2"/>',
        f'<text class="{ours.strip() or "figure"}" {place} y="{y + 15}">{said}</text>',
    ]
