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


class Part(nn.Module):
    """A part of a network, as a network of its own."""

    def __init__(self, network: EmbeddingNetwork, method: str) -> None:
        super().__init__()
        self.network, self.method = network, method

    def forward(self, rows: Tensor) -> Tensor:
        """Run the part for a batch."""
        result: Tensor = getattr(self.network, self.method)(rows)
        return result


def export_onnx(network: EmbeddingNetwork, clips: ClipSpec, folder: Path) -> list[Path]:
    """Write `f_v.onnx` and `f_s.onnx`, both for any batch; gives the files.

    f_v takes clips (B, C, T, H, W) uint8 and gives features (B, F), with the scaling of pixels in
    it; f_s takes the mean feature of a video's clips (B, F) and gives its embedding (B, D).

    Args:
        network: to export.
        clips: whose frames and crop are the size of the input.
        folder: where to.

    Raises:
        UserError: the network has another head than f_s or compares pairs, the packages are not
            installed, or a part of the network has no form in ONNX.
    """
    if network.head is not None:
        raise UserError("--onnx writes f_v and f_s, and no head in place of f_s; leave it out")
    if network.pairwise:
        raise UserError("--onnx writes embeddings, and this encoder compares pairs; leave it out")
    try:
        import onnxscript  # noqa: F401
        from onnx_ir.passes.common import ClearMetadataAndDocStringPass
    except ImportError:
        raise UserError(
            "--onnx needs packages: pip install 'zsvideo[onnx]', or onnx and onnxscript"
        ) from None
    size = (3, clips.frames, clips.crop, clips.crop)
    pixels = torch.zeros((2, *size), dtype=torch.uint8)
    with torch.inference_mode():
        features = network.encode(pixels).clone()
    parts = (
        (ONNX[0], Part(network, "encode"), pixels, "clips", "features"),
        (ONNX[1], Part(network, "project"), features, "features", "embedding"),
    )
    for name, part, sample, given, result in parts:
        try:
            program = torch.onnx.export(
                part.eval(),
                (sample,),
                input_names=[given],
                output_names=[result],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{name} cannot be written as ONNX: {reason}") from None
        assert program is not None
        ClearMetadataAndDocStringPass()(program.model)  # it names files of this machine
        program.save(folder / name, external_data=False)
    return [folder / name for name, *_ in parts]
