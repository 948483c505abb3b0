"""An image-text encoder over videos: this project's path beside the loop of the library's example.

The loop reads every frame with OpenCV, gives those wanted to the library's own transform, and
encodes them as one batch a video. Here the exact reader decodes what is wanted.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import open_clip
import torch
from PIL import Image
from torch.nn import functional as F

from benchmarks.videos import make
from zsvideo.data.clips import assemble, collate, read_clips
from zsvideo.data.options import ClipSpec
from zsvideo.data.videos import Video
from zsvideo.models.encoders.base import Pictures
from zsvideo.models.encoders.options import EncoderSpec

TINY = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}
MODELS = {"tiny": TINY, "ViT-B-16": open_clip.get_model_config("ViT-B-16")}
FILES = ("AVI 320x240", "H.264 340x256, key 12")


def seconds(work: Callable[[], Any], times: int, clock: Callable[[], float]) -> float:
    """Time a piece of work, the median of some runs."""
    taken = []
    for _ in range(times):
        since = clock()
        work()
        taken.append(clock() - since)
    return statistics.median(taken)


@torch.inference_mode()
def compare(
    name: str, file: Path, device: str, times: int, clock: Callable[[], float]
) -> tuple[float, float, float]:
    """Give frames/s of the loop and of this project, and the cosine of what they give."""
    torch.manual_seed(0)
    network = open_clip.CLIP(**MODELS[name]).eval().to(device)
    size = network.visual.image_size[0]
    preprocess = open_clip.image_transform(size, is_train=False)
    spec = EncoderSpec(
        name=name,
        library="open_clip",
        kind="image-text",
        id=name,
        licence="none",
        frames=8,
        sampling="starts",
        size=size,
        resize="shortest",
        interpolation="bicubic",
        mean=list(open_clip.OPENAI_DATASET_MEAN),
        std=list(open_clip.OPENAI_DATASET_STD),
    )
    vision = Pictures(network.visual, MODELS[name]["embed_dim"])
    mean, std = (torch.tensor(v, device=device).view(-1, 1, 1, 1) for v in (spec.mean, spec.std))
    clips = spec.clips(ClipSpec())

    def loop() -> torch.Tensor:
        video, frames = cv2.VideoCapture(str(file)), []
        while (read := video.read())[0]:
            frames.append(read[1])
        wanted = [frames[int(i * len(frames) / 8)] for i in range(8)]
        images = [Image.fromarray(cv2.cvtColor(f, cv2.COLOR_BGR2RGB)) for f in wanted]
        batch = torch.stack([preprocess(image) for image in images]).to(device)
        return F.normalize(network.encode_image(batch), dim=1).mean(dim=0).cpu()

    def ours() -> torch.Tensor:
        sample = read_clips(Video("a", file), clips)
        batch = collate([{"ok": True, "unreadable": [], **sample}])
        pixels = assemble({k: batch[k].to(device) for k in ("frames", "frame_indices")})[:, 0]
        return vision((pixels / 255 - mean) / std)[0].cpu()

    same = float(F.cosine_similarity(loop(), ours(), dim=0))
    slow, fast = seconds(loop, times, clock), seconds(ours, times, clock)
    return 8 / slow, 8 / fast, same


if __name__ == "__main__":
    own = argparse.ArgumentParser(description=__doc__)
    own.add_argument("--device", default="cpu")
    own.add_argument("--times", type=int, default=7)
    own.add_argument("--cpu", action="store_true", help="processor time, on a busy machine")
    arguments = own.parse_args()
    timed = time.process_time if arguments.cpu else time.perf_counter
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print("| model | file | loop, frames/s | here, frames/s | ratio | cosine |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for title in FILES:
            made = make(Path(folder), title)
            for model in MODELS:
                options = (arguments.device, arguments.times, timed)
                slow, fast, same = compare(model, made, *options)
                shown = f"{slow:.1f} | {fast:.1f} | {fast / slow:.1f}x | {same:.5f}"
                print(f"| {model} | {title} | {shown} |")
