"""A page in the browser of this machine: drop videos, type names, read the answers.

It is Python's own `http.server`: one page and two requests need no framework, and nothing is
installed, loaded from elsewhere or sent anywhere. Only this machine may ask, unless `--host` says
otherwise.
"""

import argparse
import json
import secrets
import sys
from collections import OrderedDict
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

from zsvideo.errors import UserError
from zsvideo.prediction.model import Model, check_windows
from zsvideo.prediction.results import SHEET, jpeg
from zsvideo.prediction.sheet import STYLE, model_line, video_html, warnings_html
from zsvideo.prediction.terminal import facts_of, open_model
from zsvideo.prediction.videos import Source

PAGE = Path(__file__).parent / "page.html"
KEPT = 32  # uploads that can be asked about again; the oldest are removed
QUESTION = 1 << 20  # bytes of a question
CHUNK = 1 << 20
PATIENCE = 60  # seconds without a byte after which an upload is given up
MB = 1 << 20
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class RefusedError(Exception):
    """A request that is not answered, with its status; the text says why."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Uploads:
    """Videos that were uploaded, in a temporary folder: name of the file by a random key."""

    def __init__(self, folder: Path) -> None:
        """Keep them in a folder."""
        self.folder, self.names, self.lock = folder, OrderedDict[str, str](), Lock()

    def add(self, name: str) -> tuple[str, Path]:
        """Make room for a video; the oldest of too many is removed."""
        key = secrets.token_hex(8)
        with self.lock:
            self.names[key] = Path(name.replace("\\", "/")).name or "video"
            while len(self.names) > KEPT:
                old = self.path(next(iter(self.names)))
                self.names.popitem(last=False)
                old.unlink(missing_ok=True)
        return key, self.path(key)

    def path(self, key: str) -> Path:
        """Give the file of a key that is known; its suffix is the only part a user chooses."""
        suffix = Path(self.names[key]).suffix.lower()
        return self.folder / (key + (suffix if suffix[1:].isalnum() else ""))

    def drop(self, key: str) -> None:
        """Remove a video that did not come whole."""
        with self.lock:
            self.path(key).unlink(missing_ok=True)
            del self.names[key]


class Handler(BaseHTTPRequestHandler):
    """Answers a browser; `serve` says with what."""

    timeout = PATIENCE
    protocol_version = "HTTP/1.1"

    def __init__(
        self, *args: Any, model: Model, uploads: Uploads, limit: int, lock: Lock, open_to_all: bool
    ) -> None:
        """Take what is shared by all requests."""
        self.model, self.uploads, self.limit, self.lock = model, uploads, limit, lock
        self.open_to_all = open_to_all
        super().__init__(*args)

    def do_GET(self) -> None:
        """Give the page."""
        self.answer(self.page)

    def do_POST(self) -> None:
        """Take a video, or answer a question about one."""
        self.answer({"/video": self.take, "/answer": self.ask}.get(self.path, self.nothing))

    def answer(self, make: Any) -> None:
        """Send what `make` gives, or why there is nothing."""
        kind, status = "text/html", HTTPStatus.OK
        self.nonce = secrets.token_urlsafe(16)
        try:
            self.check_caller()
            text = make()
        except RefusedError as error:
            kind, status, text = "text/plain", error.status, str(error)
        except UserError as error:
            kind, status, text = "text/plain", HTTPStatus.UNPROCESSABLE_ENTITY, str(error)
        body = text.encode(errors="replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.send_header(
            "Content-Security-Policy",
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; connect-src 'self'; "
            f"script-src 'nonce-{self.nonce}'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'",
        )
        if status != HTTPStatus.OK:  # what is left of an upload is not read
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def check_caller(self) -> None:
        """Let no other site's page ask through the user's browser."""
        host = self.headers.get("Host", "")
        if not self.open_to_all and urlsplit(f"//{host}").hostname not in LOOPBACK:
            raise RefusedError(HTTPStatus.FORBIDDEN, "only this machine may ask")
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise RefusedError(HTTPStatus.FORBIDDEN, "another page may not ask")

    def nothing(self) -> str:
        """Say that there is no such address."""
        raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")

    def page(self) -> str:
        """Write the page."""
        if self.path != "/":
            return self.nothing()
        return Template(PAGE.read_text(encoding="utf-8")).substitute(
            style=STYLE,
            limit=self.limit // MB,
            nonce=self.nonce,
            model=model_line(facts_of(self.model.facts)),
        )

    def length(self, most: int) -> int:
        """Give the length of what is sent; refuses more than `most` bytes."""
        try:
            length = int(self.headers["Content-Length"])
        except (TypeError, ValueError):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "its length is not said") from None
        if not 0 <= length <= most:
            reason = f"it is larger than {most // MB} MB (--limit)"
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
        return length

    def take(self) -> str:
        """Write an upload to the temporary folder; give its key."""
        left = self.length(self.limit)
        key, path = self.uploads.add(unquote(self.headers.get("X-Name", "video")))
        try:
            with path.open("wb") as out:
                while left and (chunk := self.rfile.read(min(CHUNK, left))):
                    out.write(chunk)
                    left -= len(chunk)
        except OSError as error:
            self.uploads.drop(key)
            raise RefusedError(
                HTTPStatus.INSUFFICIENT_STORAGE, f"it cannot be kept: {error}"
            ) from None
        if left:
            self.uploads.drop(key)
            raise RefusedError(HTTPStatus.BAD_REQUEST, "it did not come whole")
        return key

    def ask(self) -> str:
        """Answer a question: `video` (a key), `names` (one a line), `window` (seconds or empty)."""
        try:
            question = json.loads(self.rfile.read(self.length(QUESTION)))
            key, names = str(question["video"]), str(question["names"]).splitlines()
            window = float(question["window"]) if question.get("window") else None
        except (ValueError, KeyError, TypeError):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "this is no question") from None
        if key not in self.uploads.names:
            raise RefusedError(HTTPStatus.GONE, "forgotten")
        source = Source(str(self.uploads.path(key)))
        with self.lock:
            asked = self.model.candidates([name for name in names if name.strip()])
            (embedded,) = self.model.embeddings([source], check_windows(window, None))
        answer = self.model.answer(embedded, asked)
        entry = answer.plain() | {"path": self.uploads.names[key]}
        if answer.frames is not None:
            entry[SHEET] = [jpeg(frame) for frame in answer.frames]
        return warnings_html(list(asked.warnings)) + video_html(entry)

    def log_message(self, *args: Any) -> None:
        """Write no log."""


def make_server(
    model: Model, folder: Path, host: str, port: int, limit: int
) -> ThreadingHTTPServer:
    """Open the page's address; raises UserError where it is taken.

    Args:
        model: that answers.
        folder: for uploads.
        host: whose requests are heard.
        port: 0 takes one that is free.
        limit: bytes of an upload.
    """
    handler = partial(
        Handler,
        model=model,
        uploads=Uploads(folder),
        limit=limit,
        lock=Lock(),
        open_to_all=host not in LOOPBACK,
    )
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except (OSError, OverflowError) as error:
        raise UserError(f"http://{host}:{port} cannot be opened ({error}); give --port N") from None
    server.daemon_threads = True
    return server


def serve(arguments: argparse.Namespace) -> int:
    """Show the page until it is stopped by Ctrl-C."""
    if arguments.limit < 1:
        raise UserError(f"--limit {arguments.limit} must be at least 1 MB")
    model = open_model(arguments)
    with TemporaryDirectory(prefix="zsvideo-") as folder:
        limit = arguments.limit * MB
        server = make_server(model, Path(folder), arguments.host, arguments.port, limit)
        if arguments.host not in LOOPBACK:
            print("warning: everybody who reaches this machine can use the page", file=sys.stderr)
        address = f"http://{arguments.host}:{server.server_address[1]}"
        print(f"open {address} in a browser; Ctrl-C stops it", flush=True)
        try:
            server.serve_forever()
        finally:
            server.server_close()
    return 0
