"""Training clips a second of R(2+1)D-18 on one GPU, switch by switch: `make bench-gpu`.

Prints for each switch added: clips/s, achieved TFLOP/s, and the share of the matrix peak that is
measured here; then how long the GPU waits for clips of prepared videos in a real training.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from torch.nn import functional as F

from benchmarks.videos import make
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.decoding.forms import SUFFIXES, FormSpec, write_form
from zsvideo.data.decoding.pyav_reader import all_frames
from zsvideo.data.options import ClipSpec, LoaderSpec
from zsvideo.models.meter import Meter
from zsvideo.models.module import ZeroShotModule
from zsvideo.models.options import ModelSpec
from zsvideo.options import plain
from zsvideo.semantics.class_vectors import ClassBank

FLOP_A_CLIP = 242.5e9  # forward and backward of R(2+1)D-18, 16 x 112 x 112
SWITCHES = [
    ("eager fp32", {}),
    ("+ TF32, PyTorch's default", {"tf32": True}),
    ("+ bf16", {"bf16": True}),
    ("+ channels last", {"channels_last": True}),
    ("+ fused Adam", {"fused": True}),
    ("+ compiled", {"compile": True}),
]
OPTIONS = plain(ModelSpec(backbone="r2plus1d")) | {"embedding_dim": 300}


def clips_per_second(batch: int, steps: int, switches: dict[str, bool]) -> float:
    """Time training steps on random clips that lie on the GPU."""
    options = dict(switches)
    bf16 = options.pop("bf16", False)
    torch.backends.cudnn.allow_tf32 = options.pop("tf32", False)
    net = ZeroShotModule(**OPTIONS | options).cuda().train()
    if options.get("compile"):
        net.f_v.compile()
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, fused=True if options.get("fused") else None)
    shape = (batch, 1, 3, 16, 112, 112)
    clips = torch.randint(0, 256, shape, dtype=torch.uint8, device="cuda")
    target = F.normalize(torch.randn(batch, 300, device="cuda"), dim=1)

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
            loss = net.loss(net(clips).float(), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for _ in range(5):
        step()
    torch.cuda.synchronize()
    since = time.perf_counter()
    for _ in range(steps):
        step()
    torch.cuda.synchronize()
    return batch * steps / (time.perf_counter() - since)


def matrix_peak() -> float:
    """Measure bf16 matrix products, in FLOP a second."""
    size = 8192
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        a @ b
    torch.cuda.synchronize()
    since = time.perf_counter()
    for _ in range(50):
        a @ b
    torch.cuda.synchronize()
    return 50 * 2 * size**3 / (time.perf_counter() - since)


def waiting(folder: Path, batch: int, workers: int, steps: int) -> tuple[float, float]:
    """Train on prepared clips, after an epoch that compiles.

    Returns:
        Clips/s, and the most that the GPU can have waited, 0..1.
    """
    original = make(folder, "H.264 340x256, key 250")
    for name in ("a", "b"):
        (folder / "prepared" / name).mkdir(parents=True, exist_ok=True)
    form = FormSpec("pack", 128, 85, 18, 16)
    packed = folder / f"clip{SUFFIXES['pack']}"
    write_form(packed, all_frames(original), form)
    rows = [f"{n},{packed},{'ab'[n % 2]}" for n in range(batch * steps)]
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(["id,path,class", *rows]))
    spec = ClipSpec(16, 25, 128, 112, 0.5, "loop")
    loader = LoaderSpec(batch, 4, workers, 120)
    videos = VideoDataModule(VideoSet(root=str(manifest)), spec, loader, 0)
    videos.use(ClassBank(("a", "b"), np.eye(300)[:2]))
    fast = {"channels_last": True, "fused": True, "compile": True}
    net = ZeroShotModule(**OPTIONS | fast)
    meter, warm = Meter(), SecondEpoch()
    trainer = pl.Trainer(
        max_epochs=2,
        precision="bf16-mixed",
        logger=False,
        enable_checkpointing=False,
        profiler=meter,
        enable_progress_bar=False,
        use_distributed_sampler=False,
        enable_model_summary=False,
        callbacks=[warm],
    )
    trainer.fit(net, videos.train_dataloader())
    waited = meter.seconds["data"] - warm.waited
    spent = sum(meter.seconds.values()) - warm.spent
    return batch * steps / spent, waited / spent


class SecondEpoch(pl.Callback):
    """Notes what the meter had counted when the second epoch began."""

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Note it."""
        seconds = trainer.profiler.seconds
        self.waited, self.spent = seconds["data"], sum(seconds.values())


def main() -> None:
    """Print both tables."""
    if not torch.cuda.is_available():
        sys.exit("error: no GPU that torch can use; `make bench` measures what needs none")
    torch.backends.cudnn.benchmark = True
    peak = matrix_peak()
    print(f"{torch.cuda.get_device_name()}, bf16 matrix products {peak / 1e12:.0f} TFLOP/s\n")
    for batch in (22, 128):
        print(f"| batch {batch} | clips/s | times eager | TFLOP/s | share of peak |")
        print("|---|---|---|---|---|")
        used: dict[str, bool] = {}
        first = None
        for name, switch in SWITCHES:
            used |= switch
            rate = clips_per_second(batch, 30, used)
            first = first or rate
            flops = rate * FLOP_A_CLIP
            print(
                f"| {name} | {rate:.0f} | {rate / first:.2f} | {flops / 1e12:.1f} "
                f"| {flops / peak:.1%} |",
                flush=True,
            )
        print()
    with tempfile.TemporaryDirectory() as folder:
        for workers in (4, 8, 16):
            rate, share = waiting(Path(folder), 128, workers, 40)
            print(
                f"training on packs, {workers} workers: {rate:.0f} clips/s; "
                f"the GPU waits at most {share:.1%} of the time",
                flush=True,
            )


if __name__ == "__main__":
    main()
