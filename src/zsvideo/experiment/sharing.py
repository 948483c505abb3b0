"""Runs of a study that differ in their tests alone are trained once."""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zsvideo.experiment.jobs import training_hash
from zsvideo.experiment.options import Experiment
from zsvideo.experiment.resume import complete
from zsvideo.models.checkpoints import BEST, LAST, newest, read_checkpoint

log = logging.getLogger(__name__)


@contextmanager
def shared_training(experiment: Experiment, run: Path) -> Iterator[None]:
    """Hold a training while a run needs it; first take over what another run has trained.

    A file in `paths.trained`, named by what decides the training, says which run trained it. Runs
    that need the same one wait for each other. The checkpoints are linked, so that `resume` finds
    nothing left to train. Runs of several processes do not wait, and only take over.

    Args:
        experiment: all options; without `paths.trained` nothing is shared.
        run: folder of the run.
    """
    if (trained := experiment.config.paths.trained) is None:
        yield
        return
    places = Path(trained).expanduser()
    places.mkdir(parents=True, exist_ok=True)
    with (places / training_hash(experiment.config)[:16]).open("a+") as place:
        if experiment.trainer.devices == experiment.config.trainer.num_nodes == 1:
            fcntl.flock(place, fcntl.LOCK_EX)
        place.seek(0)
        maker = places / place.read()
        if maker == places or not take_over(experiment, maker, run):
            place.truncate(0)
            place.write(os.path.relpath(run, places))
            place.flush()
        yield


def take_over(experiment: Experiment, maker: Path, run: Path) -> bool:
    """Link the checkpoints of another run that is trained; tell whether there was one."""
    theirs, own = maker / "checkpoints", run / "checkpoints"
    if maker.resolve() == run.resolve() or (found := newest(theirs)) is None:
        return False
    if not complete(experiment.trainer, found[1]):
        return False
    mine = read_checkpoint(own / LAST)
    if mine is not None and complete(experiment.trainer, mine):
        return True
    own.mkdir(parents=True, exist_ok=True)
    for file, name in ((found[0], LAST), (theirs / BEST, BEST)):
        if file.is_file():
            part = own / f"{name}.{os.getpid()}.part"
            os.link(file, part)
            part.replace(own / name)
    if (curve := maker / "metrics.csv").is_file():
        shutil.copyfile(curve, run / curve.name)
    log.warning("trained by %s: only tests are left", maker.name)
    return True


def trained_by(experiment: Experiment, checkpoint: Path) -> str | None:
    """Name the run whose checkpoint another has taken over; None where it trained by itself."""
    if (trained := experiment.config.paths.trained) is None:
        return None
    places = Path(trained).expanduser()
    place = places / training_hash(experiment.config)[:16]
    if not place.is_file():
        return None
    made = (places / place.read_text() / "checkpoints" / checkpoint.name).resolve()
    if made == checkpoint.resolve() or not made.is_file() or not made.samefile(checkpoint):
        return None
    return made.parent.parent.name
