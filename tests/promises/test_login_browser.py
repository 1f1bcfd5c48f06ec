"""A real browser goes through `zexport login`: headless Chromium, told what to click by its own protocol."""

from __future__ import annotations

import base64
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from tests.support.sandbox_process import SandboxProcess
from tests.support.stored_login import FLAGS, only_we_land, settings
from tests.support.zexport_process import TIMEOUT, start, zexport

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --remote-debugging-port=0"
)

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
    pytest.mark.anyio,
]


class Tab:
    """A page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked = 0

    async def ask(self, method: str, **params: object) -> dict[str, Any]:
        self._asked += 1
        await self._socket.send_json({"id": self._asked, "method": method, "params": params})
        while (said := await self._socket.receive_json()).get("id") != self._asked:
            pass
        result: dict[str, Any] = said.get("result", {})
        return result

    async def until(self, condition: str) -> None:
        """Wait until a condition in JavaScript holds; a page that is being left answers nothing."""
        with anyio.fail_after(TIMEOUT):
            while True:
                came = await self.ask("Runtime.evaluate", expression=condition)
                if came.get("result", {}).get("value") is True:
                    return
                await anyio.sleep(0.05)


async def _until_there(path: Path) -> str:
    with anyio.fail_after(TIMEOUT):
        while not (path.exists() and path.read_text().strip()):
            await anyio.sleep(0.05)
    return path.read_text()


async def test_chromium_goes_through_a_login(tmp_path: Path) -> None:
    data, pid = tmp_path / "chromium", tmp_path / "pid"
    opener = tmp_path / "opener"
    opener.write_text(
        f'#!/bin/sh\necho $$ > {pid}\nexec {CHROMIUM} {QUIET} --user-data-dir={data} "$1" >/dev/null 2>&1\n'
    )
    opener.chmod(0o700)
    env = settings(tmp_path) | {"BROWSER": f"{opener} %s &"}
    with only_we_land(), SandboxProcess("--users", "50", *FLAGS) as sandbox:
        login = start("login", sandbox.url, "--client-id", "desk", env=env, text=True)
        try:
            port = (await _until_there(data / "DevToolsActivePort")).split()[0]
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                    pages = [page for page in await response.json(content_type=None) if page["type"] == "page"]
                async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=1 << 26) as socket:
                    tab = Tab(socket)
                    await tab.until("document.getElementById('allow') !== null")
                    await tab.ask("Runtime.evaluate", expression="document.getElementById('allow').click()")
                    await tab.until("document.title === 'Allowed – zexport' && document.readyState === 'complete'")
                    picture = await tab.ask("Page.captureScreenshot")
            stdout, stderr = await anyio.to_thread.run_sync(lambda: login.communicate(timeout=TIMEOUT))
        finally:
            login.kill()
            with suppress(ProcessLookupError, ValueError, FileNotFoundError):
                os.kill(int(pid.read_text()), signal.SIGTERM)
        assert login.returncode == 0, stderr
        assert "logged in:" in str(stdout)
        kept = os.environ.get("ZEXPORT_PICTURE")  # where somebody wants to look at it
        if kept:
            await anyio.Path(kept).write_bytes(base64.b64decode(picture["data"]))
        done = await anyio.to_thread.run_sync(lambda: zexport("whoami", sandbox.url, env=env))
        assert "by a browser" in done.stdout, done.stderr
