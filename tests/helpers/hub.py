"""A server on this machine that answers the client of the Hugging Face hub as the hub does."""

import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "5ca1ab1e" * 5


class Handler(BaseHTTPRequestHandler):
    """One repository, `user/name`, with the files of the server's `folder`."""

    def do_GET(self):
        path, files = self.path.partition("?")[0], self.server.folder
        self.server.asked.append(path)
        if path.startswith("/api/models/user/name/revision/"):
            self.send(json.dumps({"id": "user/name", "sha": COMMIT, "siblings": []}).encode())
        elif path.startswith("/api/models/user/name/tree/"):
            entries = [
                {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": git_hash(f)}
                for f in files.iterdir()
            ]
            self.send(json.dumps(entries).encode())
        elif path.startswith("/user/name/resolve/"):
            file = files / path.rsplit("/", 1)[1]
            known = {"ETag": f'"{git_hash(file)}"', "X-Repo-Commit": COMMIT}
            self.send(file.read_bytes(), cut=self.server.cut, **known)
        else:
            self.send(b"", 404, **{"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def send(self, body, status=200, cut=False, **headers):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:10] if cut else body)

    def log_message(self, *args):
        pass


def git_hash(file):
    content = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def hub_of(folder, cache, monkeypatch):
    """Serve a folder as `user/name`, and send the client there; gives the server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.folder, server.asked, server.cut = folder, [], False
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    client = "huggingface_hub.constants."
    template = "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(f"{client}ENDPOINT", address)
    monkeypatch.setattr(f"{client}HUGGINGFACE_CO_URL_TEMPLATE", address + template)
    monkeypatch.setattr(f"{client}HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(f"{client}HF_HUB_OFFLINE", False)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
