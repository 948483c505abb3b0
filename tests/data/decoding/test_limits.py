"""A process that takes too long over a file is killed, whatever it hangs in; the others go on."""

import ctypes
import os
import time

import pytest

from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.limits import within


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
