"""Faults that a test plants in a training run, as callbacks."""

import ctypes
import multiprocessing
import os
import resource
import signal

from pytorch_lightning.callbacks import Callback

from zsvideo.errors import UserError
from zsvideo.models.callbacks import WakeWorkers


class Signal(Callback):
    """Sends a signal to its own process before the batch after `step` optimiser steps.

    Ctrl-C goes to the processes that load clips too, as a terminal tells all of a command.
    """

    def __init__(self, step, name):
        self.step, self.name = step, name

    def on_train_batch_start(self, trainer, *args):
        if trainer.global_step == self.step:
            others = multiprocessing.active_children() if self.name == "SIGINT" else []
            for process in (*(p.pid for p in others), os.getpid()):
                os.kill(process, getattr(signal, self.name))


class Stopped(Callback):
    """Stops the processes that load clips (SIGSTOP) in the batch after `step` optimiser steps.

    Which they are, it writes down. Then the run goes on, or ends by an error or a signal.
    """

    def __init__(self, step, file, end="goes on"):
        self.step, self.file, self.end = step, file, end
        WakeWorkers.PAUSE = 0.5

    def on_train_batch_end(self, trainer, *args):
        if trainer.global_step == self.step:
            workers = [process.pid for process in multiprocessing.active_children()]
            with open(self.file, "w") as file:
                file.write(" ".join(map(str, workers)))
            for worker in workers:
                os.kill(worker, signal.SIGSTOP)
            if self.end == "error":
                raise UserError("planted")
            if self.end != "goes on":
                os.kill(os.getpid(), getattr(signal, self.end))


class DiskFull(Callback):
    """Lets no file grow beyond a kilobyte after `step` optimiser steps."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, *args):
        if trainer.global_step == self.step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))


def hang(*_, **__):
    """Be C code that never returns to Python."""
    lock = ctypes.create_string_buffer(64)
    for _ in range(2):  # no signal ends a wait for a lock
        ctypes.CDLL(None).pthread_mutex_lock(lock)


class NotANumber(Callback):
    """Makes the weights of f_s endless before the batch after `step` optimiser steps."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, module, *args):
        if trainer.global_step == self.step:
            module.f_s.weight.data.fill_(float("inf"))
