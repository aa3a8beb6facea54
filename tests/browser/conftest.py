"""A real Chromium without a window, driven over its own pipe (DevTools protocol).

Needs Debian's package `chromium`, or the browser's path in STRIPSIGHT_BROWSER; tests are skipped
where there is none.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE = 60.0


class Browser:
    """One browser process with one tab; commands and events as JSON, each ended by a zero byte."""

    def __init__(self, program: str, profile: Path) -> None:
        to_read, self._write_end = os.pipe()
        self._read_end, to_write = os.pipe()
        options = [
            "--headless",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "--no-first-run",
            "--disable-gpu",
            "--disable-extensions",
            "--disable-background-networking",
            "--hide-scrollbars",
        ]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium's sandbox refuses to start for root
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (to_read, to_write)]

        def place_ends() -> None:
            os.dup2(ends[0], 3)  # where the protocol wants them
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [program, *options],
            preexec_fn=place_ends,
            close_fds=False,  # Python's own are closed by exec; 3 and 4 must not be
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (to_read, to_write, *ends):
            os.close(end)
        self._buffer = b""
        self._last_id = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    def start(self) -> None:
        """Open the tab and listen to it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._last_id:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            self.events.append(answer)

    def open(self, url: str, *, width: int, height: int = 900, scale: float = 1) -> None:
        """Show a page in a window of this size and wait until all of it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._receive())

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, promises awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def list_requests(self) -> list[str]:
        """Addresses the page asked for since it was opened, its own left out, data URIs too."""
        urls = [
            e["params"]["request"]["url"]
            for e in self.events
            if e.get("method") == "Network.requestWillBeSent"
        ]
        return [url for url in urls[1:] if not url.startswith("data:")]

    def list_complaints(self) -> list[str]:
        """What the browser's console says of the page."""
        logs = [
            e["params"]["entry"]["text"] for e in self.events if e["method"] == "Log.entryAdded"
        ]
        thrown = [str(e["params"]) for e in self.events if e["method"] == "Runtime.exceptionThrown"]
        return logs + thrown

    def take_picture(self, top: float, width: int, height: float) -> bytes:
        """PNG of a part of the page."""
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        shot = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def close(self) -> None:
        """Ask it to end, for it then removes its temporary files; kill it if it does not."""
        try:
            self._session = None
            self.call("Browser.close")
            self._process.wait(_PATIENCE)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._write_end)
        os.close(self._read_end)

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read_end], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._read_end, 1 << 20)
            assert data, "the browser has died"
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(message))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    named = os.environ.get("STRIPSIGHT_BROWSER")
    program = named or next((path for name in _NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium, or name it in STRIPSIGHT_BROWSER")
    opened = Browser(program, tmp_path_factory.mktemp("profile"))
    try:
        opened.start()
        yield opened
    finally:
        opened.close()


@pytest.fixture
def find_faults(browser: Browser) -> Callable[[Path, int], list[str]]:
    """A function that opens a page at a width and lists what is wrong with it."""
    script = Path(__file__).with_name("page_faults.js").read_text("utf-8")

    def find(page: Path, width: int) -> list[str]:
        browser.open(page.as_uri(), width=width)
        found = browser.run(script)
        browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        found += browser.run(script)  # and what was folded
        found += [f"asked for {url[:80]}" for url in browser.list_requests()]
        return found + browser.list_complaints()

    return find
