"""A headless Chromium, driven through chromedriver over the WebDriver protocol."""

import base64
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.broker import ports

ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
"""The key under which WebDriver names an element (W3C WebDriver, section 12)."""
ARGUMENTS: Final = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--window-size=1280,1000",
]  # fmt: skip
TIMEOUT_S: Final = 60.0


class Browser:
    """One window."""

    def __init__(self, session: str) -> None:
        self._session = session

    def _call(self, method: str, path: str, **values: Any) -> Any:
        url = f"{self._session}{path}"
        body = None if method == "GET" else values
        response = httpx.request(method, url, json=body, timeout=TIMEOUT_S)
        assert response.is_success, response.text
        return response.json()["value"]

    def open(self, url: str) -> None:
        self._call("POST", "/url", url=url)

    def _element(self, selector: str) -> str:
        found = self._call("POST", "/element", using="css selector", value=selector)
        return f"/element/{found[ELEMENT]}"

    def click(self, selector: str) -> None:
        self._call("POST", f"{self._element(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        """Replace what a field holds."""
        element = self._element(selector)
        self._call("POST", f"{element}/clear")
        self._call("POST", f"{element}/value", text=text)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value a script returns."""
        return self._call("POST", "/execute/sync", script=script, args=list(arguments))

    def text(self, selector: str) -> str:
        """The text visible there; empty if it is hidden."""
        found: str = self._call("GET", f"{self._element(selector)}/text")
        return found

    def value(self, selector: str) -> str:
        found: str = self.run("return document.querySelector(arguments[0]).value", selector)
        return found

    def wait_for(self, selector: str) -> str:
        """The text of an element once there is some."""
        give_up = time.monotonic() + TIMEOUT_S
        while time.monotonic() < give_up:
            if text := self.text(selector):
                return text
            time.sleep(0.05)
        raise AssertionError(f"{selector} stays empty")

    def complaints(self) -> list[str]:
        """Messages in the browser's console: errors, and whatever the page's policy forbade."""
        return [entry["message"] for entry in self._call("POST", "/se/log", type="browser")]

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))


def _session(driver: str, profile: str, binary: str) -> str:
    options = {"binary": binary, "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
    wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    give_up = time.monotonic() + TIMEOUT_S
    while True:
        try:
            response = httpx.post(
                f"{driver}/session",
                json={"capabilities": {"alwaysMatch": wanted}},
                timeout=TIMEOUT_S,
            )
        except httpx.ConnectError:
            assert time.monotonic() < give_up, "chromedriver does not start"
            time.sleep(0.05)
        else:
            assert response.is_success, response.text
            return f"{driver}/session/{response.json()['value']['sessionId']}"


@contextmanager
def browser() -> Iterator[Browser]:
    """A window; skips without Chromium and chromedriver."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    program = shutil.which("chromedriver")
    if binary is None or program is None:
        pytest.skip("the page is not tried: Chromium with chromedriver is not installed")
    (port,) = ports.free_ports(1)
    process = subprocess.Popen(
        [program, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            session = _session(f"http://127.0.0.1:{port}", profile, binary)
            try:
                yield Browser(session)
            finally:
                httpx.delete(session, timeout=TIMEOUT_S)
    finally:
        process.terminate()
        process.wait()
