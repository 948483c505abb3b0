"""Small networks and clips."""

import torch

from zsvideo.models.module import ZeroShotModule
from zsvideo.models.options import ModelSpec
from zsvideo.options import plain

OPTIONS = plain(ModelSpec(backbone="tiny", mean=[0.4] * 3, std=[0.2] * 3)) | {"embedding_dim": 300}


def module(**changes):
    torch.manual_seed(0)
    return ZeroShotModule(**OPTIONS | changes)


def clips(videos, count, size=32):
    torch.manual_seed(1)
    return torch.randint(0, 256, (videos, count, 3, 16, size, size), dtype=torch.uint8)
