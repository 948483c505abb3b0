"""Small networks and clips."""

import torch

from zsvideo.models.module import ZeroShotModule

OPTIONS = {
    "backbone": "tiny",
    "embedding_dim": 300,
    "dropout": 0.05,
    "normalize_output": True,
    "reduction": "mean",
    "lr": 1e-3,
    "milestones": [60, 120],
    "gamma": 0.1,
    "clips_per_pass": 50,
    "mean": [0.4, 0.4, 0.4],
    "std": [0.2, 0.2, 0.2],
    "frozen": False,
    "legacy_bn": False,
    "channels_last": False,
    "compile": False,
    "fused": False,
    "seed": 0,
    "loss": "squared",
    "c3d_input": "kinetics_norm",
}


def module(**changes):
    torch.manual_seed(0)
    return ZeroShotModule(**OPTIONS | changes)


def clips(videos, count, size=32):
    torch.manual_seed(1)
    return torch.randint(0, 256, (videos, count, 3, 16, size, size), dtype=torch.uint8)
