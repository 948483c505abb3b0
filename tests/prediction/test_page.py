"""The page and the sheet in a real browser, and what the page's server refuses."""

import http.client
import json
import re
import shutil
from threading import Thread

import pytest

import zsvideo
from helpers.browser import chromium
from helpers.models import trained_run
from helpers.videos import smooth, write_video
from zsvideo.commands.predict import parser
from zsvideo.errors import UserError
from zsvideo.prediction.page import MB, make_server
from zsvideo.prediction.terminal import run

NAMES = ["pour tea", "climb ladder", "jumping", "sing <b>loud</b>"]
browser = pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine")


@pytest.fixture
def model(tmp_path):
    return zsvideo.load(trained_run(tmp_path / "run"), device="cpu", cache=tmp_path / "cache")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def server(model, tmp_path):
    (tmp_path / "uploads").mkdir()
    server = make_server(model, tmp_path / "uploads", "127.0.0.1", 0, MB)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(server, method, path, body=b"", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


def question(key, names="sing\nread", window=""):
    return json.dumps({"video": key, "names": names, "window": window})


def test_a_video_is_taken_and_asked_about_again(server, tmp_path):
    write_video(tmp_path / "a.mp4", smooth(60))
    status, key, _ = ask(
        server, "POST", "/video", (tmp_path / "a.mp4").read_bytes(), X_Name="a.mp4"
    )
    assert status == 200
    status, html, headers = ask(server, "POST", "/answer", question(key))
    assert status == 200 and "<b>sing</b>" in html and html.count("data:image/jpeg") == 6
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    status, html, _ = ask(server, "POST", "/answer", question(key, "swimm\nread\nwrite", "1"))
    assert status == 200 and "nearest known spellings: swim" in html and 'class="line"' in html
    assert ask(server, "POST", "/answer", question(key, "zzzz"))[0] == 422
    assert ask(server, "POST", "/answer", question("nope"))[:2] == (410, "forgotten")


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/../../etc/passwd", b"", {}, 404),
        ("POST", "/nope", b"", {}, 404),
        ("POST", "/video", b"", {"Content_Length": str(2 * MB)}, 413),
        ("POST", "/video", b"x", {"Content_Length": "many"}, 411),
        ("POST", "/answer", b"{", {}, 400),
        ("POST", "/answer", b"[]", {}, 400),
        ("GET", "/", b"", {"Host": "evil.example"}, 403),
        ("POST", "/video", b"x", {"Origin": "http://evil.example"}, 403),
        ("POST", "/video", b"x", {"X_Name": "..%2F..%2Fowned.mp4"}, 200),
    ],
)
def test_what_is_refused(server, tmp_path, method, path, body, headers, status):
    assert ask(server, method, path, body, **headers)[0] == status
    assert not list(tmp_path.rglob("owned*"))
    assert all(f.parent == tmp_path / "uploads" for f in tmp_path.rglob("*.mp4"))


def test_old_uploads_are_removed(server, tmp_path):
    for number in range(34):
        ask(server, "POST", "/video", b"x", X_Name=f"{number}.mp4")
    assert len(list((tmp_path / "uploads").iterdir())) == 32


def test_a_port_that_is_taken_is_said(server, model, tmp_path):
    with pytest.raises(UserError, match=r"cannot be opened.*--port"):
        make_server(model, tmp_path, "127.0.0.1", server.server_port, 1)


def status_of(page):
    return page.run("document.getElementById('said').innerText")


def words_of(page):
    return page.run("document.getElementById('answers').innerText")


@browser
def test_a_first_time_user_finds_the_answer(page, server, tmp_path):
    write_video(tmp_path / "my video.mp4", smooth(90))
    (tmp_path / "no video.mp4").write_text("text")
    page.width(1000)
    page.open(f"http://127.0.0.1:{server.server_port}/")
    page.run("document.getElementById('ask').click()")
    page.until("document.getElementById('said').innerText.includes('video first')")
    page.choose("#files", tmp_path / "my video.mp4", tmp_path / "no video.mp4")
    page.run("document.getElementById('files').focus()")
    page.press("Tab", 9)  # from here on by keyboard alone
    page.type("\n".join(NAMES))
    page.press("Tab", 9)
    page.press("Tab", 9)
    page.press("Enter", 13, "\r")
    page.until("document.getElementById('said').innerText == 'Done.'")
    said = words_of(page)
    assert "my video.mp4" in said and "not zero-shot: trained on ('jump')" in said
    assert "sing <b>loud</b>" in said  # as text, never as HTML
    assert "Could not be read: not a video file" in said
    assert page.run("document.querySelectorAll('#answers img').length") == 6
    assert page.run("document.querySelector('#answers img').naturalWidth") == 32
    page.screenshot(tmp_path / "page.png")
    page.width(360)
    page.run("document.getElementById('window').value = '1'")
    page.run("document.getElementById('ask').click()")
    page.until("document.querySelectorAll('#answers .spans li').length")
    page.until("document.getElementById('said').innerText == 'Done.'")
    page.screenshot(tmp_path / "phone.png")
    assert page.run("document.documentElement.scrollWidth") <= 360


@browser
def test_videos_are_dropped_anywhere(page, server, tmp_path):
    write_video(tmp_path / "a ü.mp4", smooth(30))
    (tmp_path / "large.mp4").write_bytes(bytes(MB + 1))
    (tmp_path / "folder").mkdir()
    page.open(f"http://127.0.0.1:{server.server_port}/")
    page.run("document.getElementById('names').value = 'sing\\nread'")
    for place in ("#drop", "h1"):
        page.drop(place, tmp_path / "a ü.mp4", tmp_path / "large.mp4", tmp_path / "folder")
        assert status_of(page) == "Dropped: a ü.mp4, large.mp4, folder"
        page.run("document.getElementById('ask').click()")
        page.until("document.getElementById('said').innerText.includes('of 3 could not')")
        answers = words_of(page)
        assert re.search(r"a ü\.mp4\n+(None of these|sing|read)", answers)
        assert "large.mp4: it is larger than 1 MB (--limit)" in answers
        assert "folder: it is no file" in answers


@browser
def test_the_sheet_opens_offline(page, tmp_path):
    write_video(tmp_path / "videos" / "a & b.mp4", smooth(60))
    (tmp_path / "videos" / "bad.mp4").write_text("text")
    typed = [str(tmp_path / "run"), str(tmp_path / "videos"), "--html", str(tmp_path / "o.html")]
    trained_run(tmp_path / "run")
    assert run(parser().parse_args([*typed, "--classes", *NAMES, "--window", "1"])) == 3
    text = (tmp_path / "o.html").read_text()
    assert not re.search(r"https?://|<script|src=\"(?!data:)", text)
    page.width(360)
    page.open((tmp_path / "o.html").as_uri())
    said = page.run("document.body.innerText")
    assert "a & b.mp4" in said and "Could not be read: not a video file" in said
    assert page.run("[...document.images].every(i => i.naturalWidth == 32)")
    assert page.run("document.querySelectorAll('.line i').length") >= 1
    assert page.run("document.documentElement.scrollWidth") <= 360
    page.screenshot(tmp_path / "sheet.png")
