"""Files that take too long are given up; what hangs inside C stays behind."""

import ctypes
import threading
import time

import pytest

from zsvideo.data.decoding import limits
from zsvideo.data.decoding.faults import UnreadableVideo
from zsvideo.data.decoding.limits import within


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(limits, "_late", set())


def test_what_is_read_and_what_fails_comes_through():
    assert within(60, "a", lambda: 3) == 3
    with pytest.raises(UnreadableVideo, match=r"^truncated$"):
        within(60, "a", lambda: exec("raise UnreadableVideo('truncated')", globals()))
    with pytest.raises(ZeroDivisionError):
        within(60, "a", lambda: 1 / 0)
    assert within(60, "a", lambda: 4) == 4


def test_python_code_is_ended_and_the_file_is_not_tried_again():
    ended = threading.Event()

    def slow():
        try:
            while True:
                time.sleep(0.01)
        finally:
            ended.set()

    with pytest.raises(UnreadableVideo, match="not decoded within 0 s"):
        within(0.1, "slow", slow)
    assert ended.wait(60)
    began = []
    with pytest.raises(UnreadableVideo, match="not decoded within"):
        within(60, "slow", lambda: began.append(1))
    assert not began and within(60, "other", lambda: 5) == 5


def test_c_code_that_never_returns_is_left_behind():
    def hang():
        lock = ctypes.create_string_buffer(64)
        for _ in range(2):
            ctypes.CDLL(None).pthread_mutex_lock(lock)

    with pytest.raises(UnreadableVideo, match="not decoded within"):
        within(0.1, "hangs", hang)
    assert within(60, "other", lambda: 6) == 6
