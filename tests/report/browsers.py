"""Chromium and Firefox without a screen, driven by what their Debian packages bring: chromedriver over HTTP, Marionette over a socket."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: So long a browser may take to start, in seconds.
PATIENCE = 60.0


class Browser:
    """A browser in which a page is open."""

    def open(self, url: str) -> None:
        """Load a page and wait until it stands."""
        raise NotImplementedError

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page; it may ``return`` what JSON can hold."""
        raise NotImplementedError

    def complaints(self) -> list[str]:
        """What the console said of pages since the last time: errors, warnings, whatever was refused."""
        raise NotImplementedError

    def narrow(self, width: int, height: int) -> None:
        """Make the window so wide and high, in pixels of the page."""
        raise NotImplementedError

    def until(self, script: str, *arguments: Any, seconds: float = 30.0) -> Any:
        """Wait until a script returns something true, and return it."""
        end = time.monotonic() + seconds
        while not (found := self.run(script, *arguments)):
            assert time.monotonic() < end, f"in {seconds} s this never came true: {script}; the console: {self.complaints()}"
            time.sleep(0.05)
        return found


class Chromium(Browser):
    """Chromium behind chromedriver. No name is resolved, so nothing outside this machine can be reached."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
        always = {"goog:chromeOptions": {"args": arguments, "binary": shutil.which("chromium")}, "goog:loggingPrefs": {"browser": "ALL"}}
        self._root += f"/session/{self._post('/session', {'capabilities': {'alwaysMatch': always}})['sessionId']}"

    def open(self, url: str) -> None:
        self._post("/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self._post("/se/log", {"type": "browser"})]

    def narrow(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._post("/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": size})

    def picture(self, left: float, top: float, width: float, height: float) -> bytes:
        """A part of the page as PNG, in pixels from its beginning; it need not be on the screen."""
        clip = {"x": left, "y": top, "width": width, "height": height, "scale": 1}
        shot = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        return base64.b64decode(self._post("/goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": shot})["data"])

    def quit(self) -> None:
        """End the browser; the driver lives on."""
        self._send("", None, "DELETE")

    def _post(self, path: str, value: Any) -> Any:
        return self._send(path, json.dumps(value).encode(), "POST")

    def _send(self, path: str, data: bytes | None, method: str) -> Any:
        request = urllib.request.Request(self._root + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()[:2000]}") from error


class Firefox(Browser):
    """Firefox behind Marionette: ``<length>:[0, number, command, parameters]`` there, ``<length>:[1, number, error, result]`` back."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._number, self._seen = 0, 0
        self._read()
        self._ask("WebDriver:NewSession", {})

    def open(self, url: str) -> None:
        self._ask("WebDriver:Navigate", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        return self._ask("WebDriver:ExecuteScript", {"script": script, "args": list(arguments), "newSandbox": False, "sandbox": None})[
            "value"
        ]

    def complaints(self) -> list[str]:
        self._ask("Marionette:SetContext", {"value": "chrome"})
        told = self.run("return Services.console.getMessageArray().map(message => String(message))")
        self._ask("Marionette:SetContext", {"value": "content"})
        new, self._seen = told[self._seen :], len(told)
        return [message for message in new if "file://" in message]  # what it says of itself is no business of a page

    def narrow(self, width: int, height: int) -> None:
        self._ask("WebDriver:SetWindowRect", {"width": width, "height": height})

    def _ask(self, command: str, parameters: Any) -> Any:
        self._number += 1
        text = json.dumps([0, self._number, command, parameters])
        self._socket.sendall(f"{len(text.encode())}:{text}".encode())
        _, number, error, result = self._read()
        assert number == self._number
        assert error is None, f"{command}: {error}"
        return result

    def _read(self) -> Any:
        head = b""
        while not head.endswith(b":"):
            head += self._some(1)
        text, length = b"", int(head[:-1])
        while len(text) < length:
            text += self._some(length - len(text))
        return json.loads(text)

    def _some(self, most: int) -> bytes:
        found = self._socket.recv(most)
        assert found, "Firefox has ended"
        return found


#: browser -> the programs that it needs.
PROGRAMS = {"chromium": ("chromium", "chromedriver"), "firefox": ("firefox-esr",)}


def lacks(name: str) -> list[str]:
    """Programs that are not installed."""
    return [program for program in PROGRAMS[name] if shutil.which(program) is None]


@contextlib.contextmanager
def started(name: str, folder: Path) -> Iterator[Browser]:
    """Start a browser with its files in ``folder``; it ends with the block."""
    variables = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    start = _chromium if name == "chromium" else _firefox
    with contextlib.ExitStack() as stack:
        yield start(folder, variables, stack)


def _chromium(folder: Path, variables: dict[str, str], stack: contextlib.ExitStack) -> Browser:
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=variables)
    stack.callback(_end, driver)
    assert driver.stdout is not None
    line = next(line for line in driver.stdout if "started successfully on port" in line)
    browser = Chromium(int(re.findall(r"port (\d+)", line)[0]))
    stack.callback(browser.quit)
    return browser


def _firefox(folder: Path, variables: dict[str, str], stack: contextlib.ExitStack) -> Browser:
    profile = folder / "profile"
    profile.mkdir()
    settings = {"marionette.port": 0, "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9}
    settings |= {"network.proxy.ssl": "127.0.0.1", "network.proxy.ssl_port": 9, "datareporting.policy.dataSubmissionEnabled": False}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in settings.items()]
    (profile / "user.js").write_text("".join(lines))
    command = ["firefox-esr", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", str(profile)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables)
    stack.callback(_end, process)
    port, end = profile / "MarionetteActivePort", time.monotonic() + PATIENCE
    while not (port.is_file() and port.read_text().strip()):
        assert process.poll() is None and time.monotonic() < end, "Firefox does not start"
        time.sleep(0.1)
    return Firefox(int(port.read_text()))


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
