"""A process that takes too long over a file is killed, whatever it hangs in; the others go on."""

import ctypes
import os
import time

import pytest

from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.limits import apart, within


def read(kind):
    if kind == "slow":
        time.sleep(600)
    if kind == "hangs":
        lock = ctypes.create_string_buffer(64)
        for _ in range(2):  # no signal ends a wait for a lock
            ctypes.PyDLL(None).pthread_mutex_lock(lock)
    if kind == "crashes":
        os._exit(11)
    if kind == "fails":
        raise ZeroDivisionError
    return kind


@pytest.mark.slow
def test_what_is_read_comes_in_order_and_what_is_not_says_why():
    kinds = ["a", "slow", "b", "hangs", "crashes", "c"]
    made = list(within(2, read, [(kind,) for kind in kinds], 2))
    assert [m for m in made if isinstance(m, str)] == ["a", "b", "c"]
    late, crashed = "not decoded within 2 s", "the decoder crashed"
    reasons = [str(m) for m in made if isinstance(m, UnreadableVideoError)]
    assert reasons == [late, late, crashed]


@pytest.mark.parametrize("kinds", [["fails", "slow"], ["a", "slow"]])
def test_where_it_stops_early_nothing_is_waited_for(kinds):
    began = time.monotonic()
    with pytest.raises((ZeroDivisionError, KeyError)):
        for _ in within(60, read, [(kind,) for kind in kinds], 2):
            raise KeyError
    assert time.monotonic() - began < 50


def parts(*kinds):
    yield from (read(kind) for kind in kinds)


@pytest.mark.parametrize(
    ("last", "error"),
    [
        ("hangs", "not decoded within 1 s"),
        ("crashes", "the decoder crashed"),
        ("fails", "^$"),
        ("b", None),
    ],
)
def test_the_parts_of_a_file_come_one_by_one(last, error):
    made = apart(1, parts, "a", last)
    assert next(made) == "a"
    if error is None:
        assert list(made) == ["b"]
    else:
        with pytest.raises((UnreadableVideoError, ZeroDivisionError), match=error):
            next(made)


def test_a_file_of_which_the_first_part_is_enough_is_not_waited_for():
    began = time.monotonic()
    made = apart(60, parts, "a", "slow")
    assert next(made) == "a"
    made.close()
    assert time.monotonic() - began < 50
