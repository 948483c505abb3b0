"""A real browser without a window, driven over a pipe by Chromium's own protocol."""

import base64
import json
import os
import select
import subprocess
import time
from contextlib import contextmanager

SIDES = (("left", "width"), ("top", "height"))


class Browser:
    """One tab of a headless Chromium."""

    def __init__(self, reading, writing):
        self.reading, self.writing, self.number, self.rest = reading, writing, 0, b""
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        self.call("Page.enable")

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def message(self, seconds=60):
        while b"\0" not in self.rest:
            assert select.select([self.reading], [], [], seconds)[0], "the browser is silent"
            self.rest += os.read(self.reading, 1 << 20)
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def open(self, address):
        self.call("Page.navigate", url=address)
        self.until("document.readyState == 'complete' && location.href != 'about:blank'")

    def run(self, script):
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def until(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not (value := self.run(condition)):
            assert time.monotonic() < end, f"not in {seconds} s: {condition}"
            time.sleep(0.05)
        return value

    def choose(self, selector, *files):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def drop(self, selector, *files):
        """Drag files from outside of the browser onto an element."""
        box = f"document.querySelector({selector!r}).getBoundingClientRect()"
        x, y = (self.run(f"{box}.{start} + {box}.{size} / 2") for start, size in SIDES)
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def press(self, key, code, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                text=text if kind == "keyDown" else "",
            )

    def type(self, text):
        self.call("Input.insertText", text=text)

    def width(self, pixels, height=900):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=pixels,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def screenshot(self, file):
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(picture))


@contextmanager
def chromium(profile):
    """Start the browser; it ends with the block."""
    to_browser, writing = os.pipe()
    reading, from_browser = os.pipe()
    spare = [os.dup(to_browser), os.dup(from_browser)]

    def wire():
        first, second = os.dup(spare[0]), os.dup(spare[1])
        os.dup2(first, 3)
        os.dup2(second, 4)

    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
    process = subprocess.Popen(
        ["chromium", *options, f"--user-data-dir={profile}"],
        preexec_fn=wire,
        pass_fds=(3, 4),
        stderr=subprocess.DEVNULL,
    )
    for end in (to_browser, from_browser, *spare):
        os.close(end)
    try:
        yield Browser(reading, writing)
    finally:
        process.kill()
        process.wait()
        os.close(writing)
        os.close(reading)
