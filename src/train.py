"""Train on a source, test zero-shot on the targets: `python -m src.train protocol=605`."""

from omegaconf import DictConfig

from src.door import open_door


def train(config: DictConfig) -> None:
    """Train a model and score it; `src.experiment` says what the run folder then holds."""
    from src import experiment

    run = experiment.folder()
    data = experiment.build_data(config)
    model = experiment.build_model(config, data)
    with experiment.lightning_trainer(config, run) as (trainer, unreadable):
        trainer.fit(model, data)
        checkpoint = run / "checkpoints" / "last.ckpt"
        experiment.test(config, trainer, unreadable, model, data, data.protocol, checkpoint)


if __name__ == "__main__":
    open_door(train, "train")
