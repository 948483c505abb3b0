"""f_v and f_s as ONNX files, for what runs without torch.

Shapes: B batch, C channels, T frames, H W, F features, D embedding.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from zsvideo.data.options import ClipSpec
from zsvideo.errors import UserError
from zsvideo.models.network import EmbeddingNetwork
from zsvideo.prediction.export import ONNX


class Encoder(nn.Module):
    """f_v with the scaling of pixels before it: one clip a row, (B, C, T, H, W) uint8 to (B, F)."""

    def __init__(self, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        """Give the features of each clip."""
        return self.network.encode(clips)


class Projection(nn.Module):
    """f_s: the mean feature of a video's clips to its embedding, (B, F) to (B, D)."""

    def __init__(self, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        """Give the embedding of each video."""
        return self.network.project(features)


def export_onnx(network: EmbeddingNetwork, clips: ClipSpec, folder: Path) -> list[Path]:
    """Write `f_v.onnx` and `f_s.onnx`, both for any batch; gives the files.

    Args:
        network: to export.
        clips: whose frames and crop are the size of the input.
        folder: where to.

    Raises:
        UserError: the packages are not installed, or a part of the network has no form in ONNX.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError:
        raise UserError(
            "--onnx needs packages: pip install 'zsvideo[onnx]', or onnx and onnxscript"
        ) from None
    size = (3, clips.frames, clips.crop, clips.crop)
    pixels = torch.zeros((2, *size), dtype=torch.uint8)
    with torch.inference_mode():
        features = Encoder(network)(pixels).clone()
    parts = (
        (ONNX[0], Encoder(network), pixels, "clips", "features"),
        (ONNX[1], Projection(network), features, "features", "embedding"),
    )
    for name, part, sample, given, result in parts:
        try:
            torch.onnx.export(
                part.eval(),
                (sample,),
                folder / name,
                input_names=[given],
                output_names=[result],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{name} cannot be written as ONNX: {reason}") from None
    return [folder / name for name, *_ in parts]
