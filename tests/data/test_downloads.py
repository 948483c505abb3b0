"""Archives are fetched whole from servers that fail, checked, and unpacked once."""

import hashlib
import io
import json
import os
import shutil
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from helpers.commands import fails, finished
from zsvideo.data import downloads, unpacking
from zsvideo.data.datasets.activitynet import ActivityNet
from zsvideo.data.datasets.base import Archive
from zsvideo.data.datasets.hmdb51 import HMDB51
from zsvideo.data.datasets.kinetics import Kinetics400, Kinetics600, Kinetics700
from zsvideo.data.datasets.sun397 import SUN397
from zsvideo.data.datasets.ucf101 import UCF101
from zsvideo.data.downloads import download
from zsvideo.errors import UserError


class Server(ThreadingHTTPServer):
    """Serves `files` (path to bytes) badly, as `faults` say; `asked` are the Range headers."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = {}, []
        self.cut = 0  # answers that end after half of what they promise
        self.errors = 0  # answers with status 503
        self.ranges, self.version = True, '"1"'
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        if server.errors:
            server.errors -= 1
            self.send_error(503)
            return
        name = unquote(self.path).rsplit("/", 1)[-1]
        if name not in server.files:
            self.send_error(404)
            return
        body, first = server.files[name], 0
        same = self.headers.get("If-Range") in (None, server.version)
        if wanted and server.ranges and same:
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            if first >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        body = body[first:]
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", server.version)
        self.end_headers()
        if server.cut:
            server.cut -= 1
            body = body[: max(len(body) // 2, 1)]
        self.wfile.write(body)


@pytest.fixture
def server():
    found = Server()
    yield found
    found.shutdown()
    found.server_close()


def tar(**members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


NOISE = os.urandom(300_000)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_connection_is_taken_up(server, tmp_path, ranges):
    server.files["a.tar.gz"] = tar(train__b=NOISE)
    server.cut, server.ranges = 3, ranges
    download([Archive(server.url("a.tar.gz"))], tmp_path, pause=0)
    assert (tmp_path / "train" / "b").read_bytes() == NOISE
    assert len(server.asked) == 4 and server.asked[0] is None
    assert all(server.asked[1:])
    assert [f.name for f in (tmp_path / "archives").iterdir()] == ["a.tar.gz.json"]
    download([Archive(server.url("a.tar.gz"))], tmp_path, pause=0)
    assert len(server.asked) == 4  # it is there


def test_it_goes_on_after_the_process_ended(server, tmp_path):
    content = server.files["a.tar.gz"] = tar(b=NOISE)
    server.errors = 99
    with pytest.raises(UserError, match="start again"):
        download([Archive(server.url("a.tar.gz"))], tmp_path, pause=0)
    assert len(server.asked) == downloads.TRIES
    server.errors, server.asked = 0, []
    part = tmp_path / "archives" / "a.tar.gz.part"
    part.write_bytes(content[:1000])
    note = {"url": server.url("a.tar.gz"), "size": len(content), "validator": '"1"'}
    (tmp_path / "archives" / "a.tar.gz.json").write_text(json.dumps(note))
    download([Archive(server.url("a.tar.gz"))], tmp_path, pause=0)
    assert server.asked == ["bytes=1000-"] and (tmp_path / "b").read_bytes() == NOISE


def test_a_file_that_changed_meanwhile_is_begun_anew(server, tmp_path):
    content = server.files["a.tar.gz"] = tar(b=NOISE)
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "a.tar.gz.part").write_bytes(b"old" * 100)
    (tmp_path / "archives" / "a.tar.gz.json").write_text('{"validator": "\\"0\\""}')
    download([Archive(server.url("a.tar.gz"))], tmp_path, pause=0)
    assert (tmp_path / "b").read_bytes() == NOISE
    seen = json.loads((tmp_path / "archives" / "a.tar.gz.json").read_text())
    assert seen["checksum"] == "sha256:" + hashlib.sha256(content).hexdigest()


def test_a_part_that_is_whole_needs_no_more_bytes(server, tmp_path):
    content = server.files["a.tar.gz"] = tar(b=NOISE)
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "a.tar.gz.part").write_bytes(content)
    (tmp_path / "archives" / "a.tar.gz.json").write_text('{"validator": "\\"1\\""}')
    download([Archive(server.url("a.tar.gz"))], tmp_path, pause=0)
    assert (tmp_path / "b").read_bytes() == NOISE and len(server.asked) == 1


def test_wrong_checksums_and_sizes_are_told(server, tmp_path):
    content = server.files["a.tar.gz"] = tar(b=NOISE)
    right = "md5:" + hashlib.md5(content).hexdigest()
    for wrong in ({"checksum": "md5:" + "0" * 32}, {"size": len(content) + 1}):
        with pytest.raises(UserError, match=r"expected.*by other means"):
            download([Archive(server.url("a.tar.gz"), **wrong)], tmp_path, pause=0)
        assert not (tmp_path / "b").exists()
    download([Archive(server.url("a.tar.gz"), ".", len(content), right)], tmp_path, pause=0)
    assert (tmp_path / "b").exists()


def test_errors_of_server_network_and_disk(server, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"status 404.*archives/a\.zip"):
        download([Archive(server.url("a.zip"))], tmp_path, pause=0)
    assert len(server.asked) == 1
    with pytest.raises(UserError, match=r"ConnectionError.*5 tries"):
        download([Archive("http://127.0.0.1:9/a.zip")], tmp_path, pause=0)
    server.files["a.zip"] = NOISE
    with pytest.raises(UserError, match="cannot be unpacked"):
        download([Archive(server.url("a.zip"))], tmp_path, pause=0)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: type("Free", (), {"free": 10}))
    with pytest.raises(UserError, match=r"0\.0 GB free"):
        download([Archive(server.url("a.zip"), checksum="md5:0")], tmp_path / "full", pause=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="root="):
        download([Archive(server.url("a.zip"))], tmp_path / "file", pause=0)


def test_lists_zips_and_plain_files(server, tmp_path):
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("lists/trainlist01.txt", "Archery/a.avi 1")
    server.files |= {
        "splits.zip": zipped.getvalue(),
        "train.csv": b"label,youtube_id\nslapping,x\n",
        "one part.tar.gz": tar(x_000001_000011=b"1"),
        "two.tar.gz": tar(y_000001_000011=b"2"),
        "paths.txt": "\n".join(map(server.url, ("one part.tar.gz", "two.tar.gz"))).encode() + b"\n",
    }
    items = [Archive(server.url(name)) for name in ("splits.zip", "train.csv")]
    download([*items, Archive(server.url("paths.txt"), "train")], tmp_path, pause=0)
    found = {str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()}
    assert {f for f in found if not f.startswith("archives")} == {
        "lists/trainlist01.txt",
        "train.csv",
        "train/x_000001_000011",
        "train/y_000001_000011",
    }


def test_rar_by_a_tool_of_the_system(server, tmp_path, monkeypatch):
    inner = tar(wave__a=b"video")  # the tool stood in for unpacks tar files
    server.files["org.rar"] = tar(**{"wave.rar": inner})
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    command = ("bsdtar-here", *unpacking.RAR_TOOLS["bsdtar"][1:])
    monkeypatch.setattr(unpacking, "RAR_TOOLS", {"bsdtar-here": command})
    with pytest.raises(UserError, match=r"needs a tool.*install"):
        download([Archive(server.url("org.rar"))], tmp_path / "set", pause=0)
    tool = tools / "bsdtar-here"
    tool.write_text('#!/bin/sh\nexec tar -xzf "$2" -C "$4"\n')
    tool.chmod(tool.stat().st_mode | stat.S_IEXEC)
    download([Archive(server.url("org.rar"))], tmp_path / "set", pause=0)
    assert (tmp_path / "set" / "wave" / "a").read_bytes() == b"video"
    assert len(server.asked) == 1 and not list((tmp_path / "set").rglob("*.rar"))
    server.files["bad.rar"] = NOISE
    with pytest.raises(UserError, match=r"cannot be unpacked \(bsdtar-here: "):
        download([Archive(server.url("bad.rar"))], tmp_path / "set", pause=0)


def rar(**members):
    """Write a RAR archive (version 4) of stored files."""

    def block(kind, flags, rest):
        head = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
        return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head

    content = b"Rar!\x1a\x07\0" + block(0x73, 0, bytes(6))
    for name, data in members.items():
        told = name.replace("__", "\\").encode()
        size = len(data)
        rest = struct.pack(
            "<IIBIIBBHI", size, size, 3, zlib.crc32(data), 0x5A000000, 20, 0x30, len(told), 0o100644
        )
        content += block(0x74, 0x8000, rest + told) + data
    return content + block(0x7B, 0x4000, b"")


@pytest.mark.parametrize("tool", unpacking.RAR_TOOLS)
def test_a_real_rar_in_a_rar(tmp_path, monkeypatch, tool):
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool}")
    monkeypatch.setattr(unpacking, "RAR_TOOLS", {tool: unpacking.RAR_TOOLS[tool]})
    file = tmp_path / "org.rar"
    file.write_bytes(rar(**{"wave.rar": rar(wave__a=NOISE, wave__b=b""), "readme": b"text"}))
    try:
        unpacking.unpack(file, tmp_path / "set")
    except UserError as error:
        if "7z" in tool and "Cannot open the file as archive" in str(error):
            pytest.skip(f"{tool} without its plugin")
        raise
    found = {
        str(f.relative_to(tmp_path / "set")): f.read_bytes()
        for f in (tmp_path / "set").rglob("*")
        if f.is_file()
    }
    assert found == {"wave/a": NOISE, "wave/b": b"", "readme": b"text"}
    file.write_bytes(file.read_bytes()[:-100_000])
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpacking.unpack(file, tmp_path / "set")


def test_links_out_of_an_archive(tmp_path, monkeypatch):
    """Of each kind: none is left in the data folder, and nothing outside is written."""
    secret, root = tmp_path / "secret", tmp_path / "set"
    secret.write_text("secret")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        member = tarfile.TarInfo("wave/a.avi")
        member.type, member.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(member)
    tool = tmp_path / "tool"
    tool.write_text('#!/bin/sh\nexec tar -xf "$1" -C "$2"\n')
    tool.chmod(0o755)
    monkeypatch.setattr(unpacking, "RAR_TOOLS", {str(tool): (str(tool), "{file}", "{to}")})
    for name in ("a.rar", "a.tar"):
        (tmp_path / name).write_bytes(content.getvalue())
        with pytest.raises(UserError, match=r"link|outside|absolute"):
            unpacking.unpack(tmp_path / name, root)
        assert not root.exists() and not list(tmp_path.glob("*.unpacking"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("wave/a.avi")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, str(secret))
        archive.writestr("../outside", "x")
    unpacking.unpack(tmp_path / "a.zip", root)
    assert not (root / "wave" / "a.avi").is_symlink() and not (tmp_path / "outside").exists()


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "rar", "zip with a rar"])
def test_an_archive_that_grows_beyond_measure_asks_first(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(unpacking, "SMALL", 1 << 20)
    monkeypatch.setattr(unpacking, "WATCHED", 0.02)
    tool = tmp_path / "tool"  # writes without end
    tool.write_text('#!/bin/sh\nexec head -c "$(cat "$1")" /dev/zero > "$2/out"\n')
    tool.chmod(0o755)
    monkeypatch.setattr(unpacking, "RAR_TOOLS", {str(tool): (str(tool), "{file}", "{to}")})
    file, zeros = tmp_path / f"bomb.{kind.split()[0]}", bytes(3 << 20)
    if kind == "rar":
        file.write_bytes(b"3000000")
    elif kind == "tar.gz":
        file.write_bytes(tar(a=zeros))
    else:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(
                "b.rar" if "rar" in kind else "a", b"3000000" if "rar" in kind else zeros
            )
    with pytest.raises(UserError, match=r"unpacks to more than 1 MB.*growth=TIMES"):
        unpacking.unpack(file, tmp_path / "set")
    assert not (tmp_path / "set").exists() and not list(tmp_path.glob("*.unpacking"))
    unpacking.unpack(file, tmp_path / "set", growth=1e6)
    assert sum(f.stat().st_size for f in (tmp_path / "set").iterdir()) >= 3_000_000


@pytest.mark.parametrize(
    "url", ["http://x.org/", "http://x.org/..", "http://x.org/%2e%2e", "http://x", "x/%00"]
)
def test_an_address_that_names_no_file(tmp_path, url):
    with pytest.raises(UserError, match="names no file"):
        download([Archive(url)], tmp_path, pause=0)


def test_an_unpacking_that_was_killed_is_done_again(server, tmp_path):
    server.files["a.tar.gz"] = tar(train__b=NOISE)
    (tmp_path / "archives" / "a.tar.gz.unpacking" / "train").mkdir(parents=True)
    (tmp_path / "archives" / "a.tar.gz.unpacking" / "train" / "b").write_bytes(NOISE[:10])
    download([Archive(server.url("a.tar.gz"))], tmp_path, pause=0)
    assert (tmp_path / "train" / "b").read_bytes() == NOISE


@pytest.mark.parametrize(
    "dataset", [UCF101, HMDB51, Kinetics400, Kinetics600, Kinetics700, ActivityNet, SUN397]
)
def test_addresses(dataset):
    assert dataset.archives
    for item in dataset.archives:
        assert item.url.startswith("http") and item.name
        kind, _, digits = item.checksum.partition(":")
        assert item.checksum == "" or len(digits) == {"md5": 32, "sha256": 64}[kind]


@pytest.mark.slow
def test_what_has_no_address(cli, tmp_path):
    options = [f"root={tmp_path}", f"out={tmp_path}/out", "download=true"]
    fails(cli("prepare", "dataset=folder", *options), "dataset=folder", "ucf101")


@pytest.mark.slow
def test_by_the_command_line(server, cli, tmp_path):
    """The real addresses, answered by a proxy that stands in for the network."""
    proxy = {"http_proxy": f"http://127.0.0.1:{server.server_port}", "no_proxy": ""}
    options = [f"root={tmp_path}/set", f"out={tmp_path}/out", "download=true"]
    server.files["SUN397.tar.gz"] = tar(b=NOISE)
    fails(cli("prepare", "dataset=sun397", *options, **proxy), "md5:8ca2", "by other means")
    plan = cli("prepare", "dataset=ucf101", *options, "--dry-run")
    assert plan.returncode == 0 and "UCF101.rar (6.9 GB)" in plan.stdout
    database = {"database": {"one": {"annotations": [{"segment": [0, 1], "label": "Archery"}]}}}
    server.files["activity_net.v1-3.min.json"] = json.dumps(database).encode()
    told = cli("prepare", "dataset=activitynet", *options, **proxy)
    fails(told, "no videos of activitynet", "activity-net.org")
    assert (tmp_path / "set" / "activity_net.v1-3.min.json").exists()
    options[-1] = "download_only=true"
    finished(cli("prepare", "dataset=activitynet", *options, **proxy))
    assert not (tmp_path / "out").exists()
