"""Zero-shot video classification, trained end to end (Brattoli et al., CVPR 2020)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from zsvideo.prediction.model import Model
    from zsvideo.reporting.run import Run

__all__ = ["compose", "load", "train"]


def load(
    place: str | Path | None = None,
    *,
    encoder: str | None = None,
    weights: str | Path | None = None,
    prompts: str | Sequence[str] = "one",
    device: str = "auto",
    batch: int | None = None,
    workers: int = 2,
    vectors: str | Path | None = None,
    cache: str | Path | None = None,
) -> "Model":
    """Load a trained model, to answer own videos with own class names.

    Args:
        place: a run folder, a checkpoint of this project or of the authors, or an exported folder.
        encoder: in its place, an image-text or video-text model of another library, by the name of
            its file in `conf/encoder`, such as `pe_l14`. What it was trained on is not known here,
            so that its answers are no zero-shot claim.
        weights: folder with the files of the encoder; None takes the Hugging Face hub.
        prompts: how the encoder reads class names: `none`, `one`, `usual`, or texts with `{}`.
        device: as PyTorch names it; `auto` takes a GPU where there is one.
        batch: videos at once; None takes what the model was tested with.
        workers: processes that decode; 0 decodes between the batches, without a limit of time.
        vectors: the file of the word vectors it was trained with, or the folder of its model of
            sentences, where that is not found.
        cache: folder for class vectors; None takes `zsvideo` in the user's cache folder.

    Raises:
        UserError: it is no model; nothing in a file is executed.
    """
    from zsvideo.prediction.loading import open_model_at

    return open_model_at(place, device, batch, workers, vectors, cache, encoder, weights, prompts)


def compose(*options: str, run: str | Path) -> "DictConfig":
    """Compose the config of an experiment from options as they are typed behind `zsvideo train`.

    Args:
        options: such as `protocol=605` or `trainer.max_epochs=3`.
        run: folder of the run.

    Raises:
        UserError: an option does not exist, or has a value that is not allowed.
    """
    from zsvideo.cli import composed

    return composed(options, Path(run))


def train(config: "DictConfig", run: str | Path) -> "Run":
    """Train a model and score it; gives the finished run, read from its folder.

    Args:
        config: of `compose`.
        run: folder of the run.

    Raises:
        UserError: data, vectors or an option are not as they have to be; the text says what to do.
    """
    from zsvideo.experiment import training

    folder = Path(run)
    folder.mkdir(parents=True, exist_ok=True)
    return training.train(config, folder)
