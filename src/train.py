"""Train on a source, test zero-shot on the targets: `python -m src.train protocol=605`."""

from omegaconf import DictConfig

from src.door import open_door


def train(config: DictConfig) -> None:
    """Train a model and score it; `src.experiment` says what the run folder then holds."""
    from src.experiment.build import build_data, build_model
    from src.experiment.testing import test
    from src.experiment.trainer import folder, lightning_trainer

    run = folder()
    data = build_data(config)
    model = build_model(config, data)
    with lightning_trainer(config, run) as (trainer, unreadable):
        trainer.fit(model, data)
        checkpoint = run / "checkpoints" / "last.ckpt"
        test(config, trainer, unreadable, model, data, data.protocol, checkpoint)


if __name__ == "__main__":
    open_door(train, "train")
