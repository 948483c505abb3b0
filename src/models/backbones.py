"""Visual encoders f_v: clips (B, C, T, H, W) to features (B, F), without a classifier.

Each function here gives a new network with an attribute `feature_dim` (F) and random weights.
"""

from torch import Tensor, nn
from torchvision.models.video import VideoResNet, r2plus1d_18, r3d_18

from src.models.c3d import C3D
from src.models.tiny import TinyR2Plus1D

__all__ = ["c3d", "r2plus1d", "r3d", "tiny"]


class ResNetFeatures(nn.Module):
    """A torchvision video ResNet up to its pooled features."""

    def __init__(self, network: VideoResNet) -> None:
        super().__init__()
        self.feature_dim: int = network.fc.in_features
        network.fc = nn.Identity()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        """Encode (B, C, T, H, W) to (B, F)."""
        return self.network(clips)


def r2plus1d() -> nn.Module:
    """R(2+1)D with 18 layers, F = 512 (Sec. 4.4)."""
    return ResNetFeatures(r2plus1d_18(weights=None))


def r3d() -> nn.Module:
    """ResNet-3D with 18 layers, F = 512; in the authors' code, not in the paper."""
    return ResNetFeatures(r3d_18(weights=None))


def c3d() -> nn.Module:
    """C3D up to fc6, F = 4096 (Sec. 4.4); clips of 16 x 112 x 112."""
    return C3D()


def tiny() -> nn.Module:
    """A small R(2+1)D for CPUs, trials and tests."""
    return TinyR2Plus1D()
