"""A very small R(2+1)D for CPUs: the demo's and the tests' stand-in for the 18-layer network.

Shapes: B batch, C channels, T frames, H W.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """A residual block of two (2+1)D convolutions (Tran et al., CVPR 2018, Sec. 3.5).

    Args:
        inputs, outputs: channels.
        stride: of time, height and width.
    """

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv2plus1d(inputs, outputs, stride),
            nn.ReLU(inplace=True),
            *conv2plus1d(outputs, outputs, (1, 1, 1)),
        )
        self.shortcut = nn.Sequential(
            nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, clip: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, outputs, T/stride, H/stride, W/stride)."""
        output: Tensor = self.relu(self.body(clip) + self.shortcut(clip))
        return output


class TinyR2Plus1D(nn.Module):
    """Map clips to features with a stem and residual blocks, averaged over time and space.

    Args:
        widths: channels of the stem and of each block after it.

    Attributes:
        feature_dim: length of a feature vector.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64)) -> None:
        super().__init__()
        blocks = [
            Block(inputs, outputs, (1 if number == 0 else 2, 2, 2))
            for number, (inputs, outputs) in enumerate(pairwise(widths))
        ]
        self.layers = nn.Sequential(
            *conv2plus1d(3, widths[0], (1, 2, 2)), nn.ReLU(inplace=True), *blocks
        )
        self.feature_dim = widths[-1]

    def forward(self, clip: Tensor) -> Tensor:
        """Map (B, 3, T, H, W) floats, T at least 8 and H, W at least 32, to (B, feature_dim)."""
        # A third faster on a CPU than the default layout.
        clip = clip.contiguous(memory_format=torch.channels_last_3d)
        features: Tensor = self.layers(clip).mean(dim=(2, 3, 4))
        return features


def conv2plus1d(inputs: int, outputs: int, stride: tuple[int, int, int]) -> list[nn.Module]:
    """Make a 3x3 convolution in space, then one over 3 frames, each normalised, ReLU between."""
    time, high, wide = stride
    return [
        nn.Conv3d(inputs, outputs, (1, 3, 3), (1, high, wide), (0, 1, 1), bias=False),
        nn.BatchNorm3d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv3d(outputs, outputs, (3, 1, 1), (time, 1, 1), (1, 0, 0), bias=False),
        nn.BatchNorm3d(outputs),
    ]
