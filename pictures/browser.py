"""Screenshots by a headless Chromium, over the DevTools protocol on a pair of pipes."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")
"""Programs looked for on the path; CHROMIUM names another one."""
READS, WRITES = 3, 4
"""Descriptors on which Chromium expects its pipes."""
WAIT_S: Final = 60.0


class BrowserError(Exception):
    """The browser ended, or answered with an error."""


def found() -> str | None:
    """The program to use, None if there is none."""
    named = (os.environ.get("CHROMIUM"), *NAMES)
    return next((path for name in named if name and (path := shutil.which(name))), None)


class Page:
    """One page of a running browser."""

    def __init__(self, reading: int, writing: int) -> None:
        self._from = os.fdopen(reading, "rb", buffering=0)
        self._to = os.fdopen(writing, "wb", buffering=0)
        self._sent = 0
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def open(self, url: str, width: int, height: int) -> None:
        """Load an address in a window of this size, in light colours, enlarged by a half."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1.5, mobile=False,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Return once an expression is true."""
        give_up = time.monotonic() + WAIT_S
        while not self.run(condition):
            if time.monotonic() > give_up:
                raise BrowserError(f"never true: {condition}")
            time.sleep(0.05)

    def screenshot(self) -> bytes:
        """What the window shows, as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot")["data"])

    def close(self) -> None:
        """End the browser."""
        self._session = None
        self._call("Browser.close")

    def _call(self, method: str, **values: Any) -> dict[str, Any]:
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": values}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._message())
            if answer.get("id") == self._sent:  # the rest are events
                break
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _message(self) -> bytes:
        parts = bytearray()
        while not parts.endswith(b"\0"):
            part = self._from.read(1)
            if not part:
                raise BrowserError("the browser has ended")
            parts += part
        return bytes(parts[:-1])


@contextmanager
def page(program: str) -> Iterator[Page]:
    """A browser with one page, until the body ends."""
    its_input, to_it = (_out_of_the_way(fd) for fd in os.pipe())
    from_it, its_output = (_out_of_the_way(fd) for fd in os.pipe())

    def connect() -> None:
        os.dup2(its_input, READS)
        os.dup2(its_output, WRITES)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            preexec_fn=connect, close_fds=False, stderr=subprocess.DEVNULL,  # noqa: PLW1509
        )  # fmt: skip
        os.close(its_input)
        os.close(its_output)
        try:
            shown = Page(from_it, to_it)
            yield shown
            shown.close()
        finally:
            process.terminate()
            process.wait()


def _out_of_the_way(fd: int) -> int:
    """The same pipe under a number that is neither of Chromium's two."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, WRITES + 1)
    os.close(fd)
    return moved
