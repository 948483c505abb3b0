"""How many processes load clips, and how many batches ahead: by cores and memory."""

import multiprocessing
import os
import sys
from pathlib import Path
from typing import NamedTuple

import joblib
import torch

from zsvideo.data.decoding.limits import START
from zsvideo.data.options import ClipSpec

OWN = 400 << 20  # bytes that a loading process has of its own, its decoder included
AHEAD = 64 << 20  # bytes of batches that a process loads ahead, between two and eight of them
SHARED = "/dev/shm"
GROUP = Path("/sys/fs/cgroup")  # of a container, by the second version or the first
LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
STATES = ("memory.stat", "memory/memory.stat")
IN_USE = {"anon", "total_rss"}  # what their readers cannot give back, unlike the page cache


class Loading(NamedTuple):
    """How a data set is loaded.

    Attributes:
        workers: processes; 0 loads in the process that trains.
        ahead: batches that each loads ahead.
        scarce: memory leaves cores idle.
    """

    workers: int
    ahead: int
    scarce: bool


def loading(
    wanted: int | None, batch: int, batches: int, cores: int, memory: float, shared: float
) -> Loading:
    """Choose processes and batches ahead; what is loaded is the same for any of them.

    Both take up to half of the memory. Where shared memory is full a batch goes through a pipe,
    which costs its reader 13 ms (352 frames): less than fewer processes would, so that shared
    memory bounds the batches ahead alone.

    Args:
        wanted: processes; None for as many as there is room for.
        batch: bytes of one.
        batches: of an epoch.
        cores: for these processes.
        memory: bytes that are free for them.
        shared: bytes of shared memory that are free for them.
    """
    room = memory / 2 / (OWN + 2 * batch)
    workers = int(max(min(cores, room, batches), 1)) if wanted is None else wanted
    most = min(shared / 2, memory / 4) / max(workers, 1) / batch
    ahead = int(max(1, min(most, max(2, min(AHEAD // batch, 8)))))
    return Loading(workers, ahead, wanted is None and room < min(cores, batches))


def clip_bytes(spec: ClipSpec, train: bool) -> int:
    """Give the bytes of a training clip, or of the test clips of a video, at most."""
    return (1 if train else spec.counts[-1]) * spec.frames * spec.crop**2 * 3


def machine(world_size: int = 1) -> tuple[int, float, float]:
    """Measure what one of the processes that train has for loading, those beside it aside.

    Returns:
        Cores; free bytes of memory and of shared memory.
    """
    processes = min(world_size, torch.cuda.device_count() or world_size)  # on this machine
    cores = own_cores()
    if "SLURM_CPUS_PER_TASK" not in os.environ:  # else those of this process alone
        cores //= processes
    return max(cores, 1), free_memory() / processes, free_shared() / processes


def own_cores() -> int:
    """Count the cores of this process: allowed ones, by the quota of a container, in a sweep."""
    cores = int(joblib.cpu_count())
    if multiprocessing.parent_process() is not None:  # one of several jobs, which share the cores
        cores = min(cores, torch.get_num_threads())
    return cores


def free_memory() -> float:
    """Say how many bytes of memory are free, by the machine and by the limit of a container."""
    free = float("inf")
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = 1024 * float(lines["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):  # no Linux
        pass
    for limit, state in zip(LIMITS, STATES, strict=True):
        try:
            most = float((GROUP / limit).read_text())
            lines = dict(line.split() for line in (GROUP / state).read_text().splitlines())
            free = min(free, most - sum(float(lines.get(key, 0)) for key in IN_USE))
        except (OSError, ValueError):  # there is no such limit
            continue
    return max(free, 0)


def free_shared() -> float:
    """Say how many bytes of shared memory are free; without bound where it is no file system."""
    if START != "fork" or sys.platform != "linux":
        return float("inf")
    try:
        state = os.statvfs(SHARED)
    except OSError:
        return float("inf")
    return float(state.f_bavail * state.f_frsize)
