"""Textured videos like those of UCF101, Kinetics and ActivityNet, made once for the benchmarks."""

import re
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch

FORMS = {  # name: container, codec, frames, height, width, frames a second, encoder's options
    "AVI 320x240": ("avi", "mpeg4", 250, 240, 320, 25, {"bf": "2", "g": "250", "qmin": "4"}),
    "AVI 320x240, no B-frames": ("avi", "mpeg4", 250, 240, 320, 25, {"g": "12", "qmin": "4"}),
    "H.264 340x256, key 12": ("mp4", "libx264", 300, 256, 340, 30, {"g": "12", "crf": "22"}),
    "H.264 340x256, key 250": ("mp4", "libx264", 300, 256, 340, 30, {"g": "250", "crf": "18"}),
    "H.264 720p, 10 s": ("mp4", "libx264", 300, 720, 1280, 30, {"crf": "17"}),
    "H.264 720p, 2 min": (
        "mp4",
        "libx264",
        3600,
        720,
        1280,
        30,
        {"crf": "20", "preset": "veryfast"},
    ),
}

FRAME_CODE = re.compile(rb"\x00\x00\x01\xb6(.)", re.DOTALL)
ENCODER = re.compile(rb"\x00\x00\x01\xb2Lavc[^\x00]*")


def textured(frames: int, height: int, width: int, seed: int) -> Iterator[np.ndarray]:
    """Draw a textured plane under a moving camera, and a square that crosses it."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(size=(1, 3, height // 8 + 40, width // 8 + 40)))
    plane = torch.nn.functional.interpolate(coarse.float(), scale_factor=8, mode="bicubic")[0]
    plane = 128 + 45 * plane + 10 * torch.from_numpy(rng.normal(size=plane.shape))
    pixels = plane.clamp(0, 255).byte().permute(1, 2, 0).numpy()
    side = width // 6
    for i in range(frames):
        y, x = int(100 + 90 * np.sin(i / 37)), int(100 + 90 * np.cos(i / 29))
        frame = pixels[y : y + height, x : x + width].copy()
        left = (3 * i) % (width - side)
        frame[height // 3 : height // 3 + side, left : left + side] = (7 * i) % 255
        yield frame


def write(
    file: Path, codec: str, frames: Iterator[np.ndarray], fps: int, options: dict[str, str]
) -> None:
    """Encode frames (H, W, 3) uint8."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        for number, frame in enumerate(frames):
            if number == 0:
                stream.height, stream.width, stream.pix_fmt = *frame.shape[:2], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def make(folder: Path, name: str) -> Path:
    """Encode the video of a form, unless it is there; give the file."""
    ending, codec, frames, height, width, fps, options = FORMS[name]
    file = folder / f"{name.replace(' ', '_').replace(',', '')}.{ending}"
    if not file.exists():
        part = file.with_name(f"part-{file.name}")
        write(part, codec, textured(frames, height, width, 0), fps, options)
        part.replace(file)
    return file


def pack_b_frames(file: Path, packed: Path) -> None:
    """Rewrite an MPEG-4 AVI as DivX does: each B-frame in the packet before, an empty one after.

    Args:
        file: with at most one B-frame in a row (`bf=1`).
        packed: where to.
    """
    with av.open(str(file)) as source, av.open(str(packed), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        packets: list[tuple[bytes, bool]] = []
        for packet in source.demux(video=0):
            data = ENCODER.sub(b"\x00\x00\x01\xb2DivX503b1393p", bytes(packet))
            code = FRAME_CODE.search(data)
            if code and code[1][0] >> 6 == 2:  # a B-frame
                packets[-1] = packets[-1][0] + data, packets[-1][1]
                packets.append((bytes.fromhex("000001b650fa137f"), False))
            elif code:
                packets.append((data, packet.is_keyframe))
        for number, (data, is_key) in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, stream.time_base, is_key
            packet.pts = packet.dts = number
            out.mux(packet)
