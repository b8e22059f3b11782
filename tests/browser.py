"""A headless Chromium, driven through its debugging pipe (https://chromedevtools.github.io/devtools-protocol/).

Real keys and clicks go in, and answers of scripts and pictures come out; nothing but the browser itself is needed.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
# The browser reads commands from descriptor 3 and answers on 4.
WRAPPER = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3]]
for number, end in zip((3, 4), ends):
    os.dup2(end, number)
os.execvp(sys.argv[3], sys.argv[3:])
"""
OPTIONS = """
    headless no-sandbox disable-gpu hide-scrollbars no-first-run disable-extensions disable-dev-shm-usage
    disable-background-networking disable-component-update disable-sync force-color-profile=srgb
    font-render-hinting=none remote-debugging-pipe
"""
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13, "Escape": 27, "Tab": 9}


def browser_program() -> str | None:
    """The browser, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page in a browser. `requests` are the addresses that the page asked for, `faults` what its scripts threw."""

    def __init__(self, answers: int, commands: int) -> None:
        self._answers = answers
        self._commands = commands
        self._numbers = itertools.count(1)
        self._rest = b""
        self._session = ""
        self.requests: list[str] = []
        self.faults: list[str] = []

    def begin(self, width: int, height: int) -> None:
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self(f"{domain}.enable")
        self.size(width, height)

    def size(self, width: int, height: int, scale: int = 1) -> None:
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def dark(self, on: bool = True) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self("Emulation.setEmulatedMedia", features=[feature])

    def open(self, path: Path) -> float:
        """Open a page and wait until its script says that it is drawn; gives the seconds that this took."""
        began = time.monotonic()
        self("Page.navigate", url=path.as_uri())
        while not self.js("document.body && document.body.dataset.ready"):
            assert time.monotonic() - began < 60, f"the page does not become ready: {self.faults}"
            time.sleep(0.02)
        took = time.monotonic() - began
        self.frame()
        return took

    def js(self, expression: str) -> Any:
        found = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def frame(self) -> None:
        """Wait until what was asked for is drawn."""
        self.js("new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 300))")

    def key(self, key: str, shift: bool = False) -> None:
        text = key if len(key) == 1 else "\r" if key == "Enter" else ""
        code = KEYS.get(key) or (ord(key.upper()) if len(key) == 1 and key.isalnum() else 0)
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text: str) -> None:
        self("Input.insertText", text=text)

    def click(self, x: float, y: float) -> None:
        self.mouse("mouseMoved", x, y, buttons=0)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)

    def mouse(self, kind: str, x: float, y: float, buttons: int = 1) -> None:
        self("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left" if buttons else "none", buttons=buttons,
             clickCount=1 if buttons else 0)  # fmt: skip

    def press(self, selector: str) -> None:
        """Click into the middle of an element."""
        box = self.js(f"(() => {{const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                      "return [b.x + b.width / 2, b.y + b.height / 2]})()")  # fmt: skip
        self.click(*box)

    def text(self, selector: str) -> str:
        return str(self.js(f"document.querySelector({json.dumps(selector)}).innerText"))

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self("Page.captureScreenshot", format="png")["data"]))

    def __call__(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.faults.append(json.dumps(params["exceptionDetails"]))
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.faults.append(params["entry"]["text"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._answers], [], [], 60)[0], "the browser does not answer"
            part = os.read(self._answers, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        found = json.loads(line)
        assert isinstance(found, dict)
        return found


@contextlib.contextmanager
def chromium(folder: Path, width: int = 1280, height: int = 800) -> Iterator[Browser]:
    """A browser with a profile in `folder`; it has ended, with all its processes, when the block is left."""
    program = browser_program()
    assert program is not None
    commands_out, commands_in = os.pipe()
    answers_out, answers_in = os.pipe()
    profile = folder / "profile"
    environ = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            WRAPPER,
            str(commands_out),
            str(answers_in),
            program,
            *(f"--{option}" for option in OPTIONS.split()),
            f"--user-data-dir={profile}",
        ],
        pass_fds=(commands_out, answers_in),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environ,
    )
    os.close(commands_out)
    os.close(answers_in)
    browser = Browser(answers_out, commands_in)
    try:
        browser.begin(width, height)
        yield browser
        with contextlib.suppress(AssertionError):
            browser("Browser.close")
    finally:
        os.close(commands_in)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # a session of its own: all of them are the browser's
        child.wait()
        os.close(answers_out)
