"""The folder of a run: one process at a time, and its options as the run began."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from zsvideo.errors import InUseError
from zsvideo.evaluation.record import write_text

OPTIONS, CONFIG, HYDRA = ".hydra/overrides.yaml", ".hydra/config.yaml", ".hydra/hydra.yaml"


def rank() -> int:
    """Return the rank of this process as Lightning finds it, without loading Lightning."""
    found = (os.environ.get(key) for key in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return int(next(filter(None, found), 0))


@contextmanager
def in_use(run: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder; those of the same run work beside each other.

    The lock ends with the process, however that ends. A file system without locks has none.

    Raises:
        InUseError: another process works there.
    """
    run.mkdir(parents=True, exist_ok=True)
    with (run / "lock").open("w") as lock:
        if not rank():
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                raise InUseError(
                    f"{run} is in use: another process trains or tests there; wait for its end, or "
                    "give another hydra.run.dir"
                ) from None
            except OSError:
                pass
        yield


def keep_options(config: DictConfig, run: Path, anew: bool = True) -> None:
    """Write down the options of a command of ours, which `resume=RUN` and `ckpt=RUN` read.

    A start that was refused, or that failed before it began, has not changed them.

    Args:
        config: as composed.
        run: folder of the command; of another folder, or without Hydra, nothing is written.
        anew: in place of those that are there.
    """
    if not HydraConfig.initialized() or (not anew and (run / OPTIONS).is_file()):
        return
    hydra = HydraConfig.get()
    if Path(hydra.runtime.output_dir).resolve() != run.resolve():
        return
    own: dict[str, Any] = {
        CONFIG: config,
        HYDRA: OmegaConf.masked_copy(HydraConfig.instance().cfg, ["hydra"]),  # type: ignore[arg-type]
        OPTIONS: hydra.overrides.task,  # as typed: what it takes from elsewhere is not filled in
    }
    (run / OPTIONS).parent.mkdir(exist_ok=True)
    for name, content in own.items():
        write_text(run / name, OmegaConf.to_yaml(content))
