"""A run folder with a tiny network, as training leaves it, without training."""

import json
from dataclasses import asdict

import torch

from helpers.networks import OPTIONS
from helpers.runs import listed
from helpers.vectors import toy_vectors
from zsvideo.models.module import ZeroShotModule
from zsvideo.prediction.rejection import NoneOfThese
from zsvideo.semantics.vectors import WordVectors

WORDS = (
    "a",
    "jump",
    "run",
    "swim",
    "climb",
    "read",
    "write",
    "sing",
    "dance",
    "tea",
    "pour",
    "ladder",
)
NONE = NoneOfThese(0.1, 0.1, 0.12, 0.3, 0.8, 0.05, 64, 8, "videos of the source")
CLIPS = {"short_side": 40, "crop": 32, "test_clips": 3}


def trained_run(folder, trained=("jump", "run"), none=NONE, **network):
    """Write a run folder with word vectors beside it; gives the folder."""
    folder.mkdir(parents=True)
    file = folder.parent / "toy.bin"
    toy_vectors(WORDS).save_word2vec_format(str(file), binary=True)
    vectors = WordVectors(str(file), str(folder.parent / "cache"))
    torch.manual_seed(0)
    options = OPTIONS | {"embedding_dim": 20} | network
    module = ZeroShotModule(**options)
    config = {
        "clips": CLIPS,
        "loader": {"test_batch_size": 2},
        "semantics": {"path": str(file)},
    }
    checkpoint = {
        "pytorch-lightning_version": "2.6.6",
        "state_dict": module.state_dict(),
        "hyper_parameters": dict(module.hparams),
        "callbacks": {"Interruption": {"config": config}},
    }
    (folder / "checkpoints").mkdir()
    torch.save(checkpoint, folder / "checkpoints" / "last.ckpt")
    protocol = {
        "vectors": vectors.describe(),
        "trained_classes": list(trained),
        "source": {**listed("own", list(trained)), "table": None},
    }
    (folder / "protocol.json").write_text(json.dumps(protocol))
    (folder / "metrics.json").write_text(json.dumps({"none_of_these": none and asdict(none)}))
    return folder
