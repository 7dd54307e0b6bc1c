"""A real browser: Debian's Chromium without a screen, driven as a person would: by keys and eyes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains

from greenlb.testing.launch import Reserved
from tests.support.stream import eventually

_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def need_chromium() -> None:
    """Skip, in words, where there is no Chromium; fail where the whole run is meant to have one."""
    if shutil.which("chromium") and shutil.which("chromedriver"):
        return
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail("no chromium here: install Debian's chromium and chromium-driver packages")
    pytest.skip("NOT LOOKED AT IN A BROWSER: no chromium (apt-get install chromium chromium-driver)")


class Browser:
    """A window.  ``errors`` are what its console complained of."""

    def __init__(self, directory: Path) -> None:
        need_chromium()
        options = Options()
        options.binary_location = shutil.which("chromium") or ""
        for argument in (*_ARGUMENTS, f"--user-data-dir={directory / 'chromium'}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        port = Reserved()
        port.sock.close()
        self.driver = Chrome(options, Service(shutil.which("chromedriver"), port=port.port))
        self.driver.set_page_load_timeout(30)

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """How large the window is, and which colours its system likes."""
        self._command(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", {"features": [scheme]})

    def _command(self, name: str, arguments: dict[str, Any]) -> None:
        self.driver.execute_cdp_cmd(name, arguments)

    def open(self, url: str) -> None:
        self.driver.get(url)

    def keys(self, *keys: str) -> None:
        """Press keys, one after the other, where the focus is."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def run(self, script: str, *arguments: object) -> Any:
        """What a line of JavaScript gives."""
        return self.driver.execute_script(f"return {script}", *arguments)

    def text(self, selector: str) -> str:
        """What is to be read at ``selector``; empty when it is not to be seen."""
        one = f"document.querySelector({selector!r})"
        found = self.run(f"{one}?.checkVisibility() ? {one}.innerText : ''")
        assert isinstance(found, str)
        return found

    def sees(self, selector: str, text: str) -> None:
        """Wait until ``text`` is to be read there."""
        eventually(
            lambda: text in self.text(selector), f"{text!r} at {selector}: {self.text(selector)!r}", 20
        )

    def wait(self, holds: Callable[[], object], what: str) -> None:
        eventually(holds, what, 20)

    @property
    def errors(self) -> list[str]:
        entries: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]

    def picture(self, path: Path) -> None:
        self.driver.save_screenshot(str(path))

    def close(self) -> None:
        self.driver.quit()
