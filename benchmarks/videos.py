"""Videos like those of UCF101, Kinetics and ActivityNet, made once for the benchmarks.

A camera films a photograph that scikit-learn ships, at the bit rates of the real data sets: clips
of UCF101 and HMDB51 have 208 to 912 kb/s and key frames of 5 to 17 kB, those of Kinetics (340x256)
313 to 1,079 kb/s and 9 to 15 kB.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from sklearn.datasets import load_sample_image

UCF, KINETICS, LARGE = {"b": "500k"}, {"b": "600k"}, {"b": "2M"}
FORMS = {  # name: container, codec, frames, height, width, frames a second, encoder's options
    "AVI 320x240": ("avi", "mpeg4", 250, 240, 320, 25, UCF | {"bf": "2", "g": "250"}),
    "AVI 320x240, no B-frames": ("avi", "mpeg4", 250, 240, 320, 25, UCF | {"g": "12"}),
    "H.264 340x256, key 12": ("mp4", "libx264", 300, 256, 340, 30, KINETICS | {"g": "12"}),
    "H.264 340x256, key 250": ("mp4", "libx264", 300, 256, 340, 30, KINETICS | {"g": "250"}),
    "H.264 720p, 10 s": ("mp4", "libx264", 300, 720, 1280, 30, LARGE),
    "H.264 720p, 2 min": (
        "mp4",
        "libx264",
        3600,
        720,
        1280,
        30,
        LARGE | {"preset": "veryfast"},
    ),
}

FRAME_CODE = re.compile(rb"\x00\x00\x01\xb6(.)", re.DOTALL)
ENCODER = re.compile(rb"\x00\x00\x01\xb2Lavc[^\x00]*")


def textured(frames: int, height: int, width: int, seed: int) -> Iterator[np.ndarray]:
    """Film a photograph with an unsteady hand that zooms, a flower that crosses it, and noise."""
    rng = np.random.default_rng(seed)
    scene, flower = load_sample_image("china.jpg"), load_sample_image("flower.jpg")
    side = width // 4
    flower = cv2.resize(flower, (side, side), interpolation=cv2.INTER_AREA)
    phase = rng.uniform(0, 6, 4)
    for i in range(frames):
        zoom = 0.75 + 0.15 * np.sin(i / 83 + phase[0])
        scale = zoom * min(scene.shape[0] / height, scene.shape[1] / width)
        free = scene.shape[1] - scale * width, scene.shape[0] - scale * height
        left = free[0] * (0.5 + 0.4 * np.sin(i / 47 + phase[1])) + np.sin(i / 5 + phase[2])
        top = free[1] * (0.5 + 0.4 * np.cos(i / 61 + phase[3])) + np.cos(i / 7)
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        frame = cv2.warpAffine(
            scene, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT
        )
        x = int((i * width / 90) % (width - side))
        frame[height // 3 : height // 3 + side, x : x + side] = flower
        noise = rng.normal(0, 1.5, (height, width, 1))
        yield np.clip(frame + noise, 0, 255).astype(np.uint8)


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


def rates(file: Path) -> str:
    """Say the bit rate of a video, and the sizes of its key frames and of the others."""
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        packets = [p for p in container.demux(stream) if p.size]
        rate = float(stream.average_rate or 25)
    keys = [p.size for p in packets if p.is_keyframe]
    total = sum(p.size for p in packets)
    others = (total - sum(keys)) / max(len(packets) - len(keys), 1)
    kilobits, key = 8e-3 * total * rate / len(packets), 1e-3 * np.mean(keys)
    every = len(packets) / len(keys)
    return (
        f"{kilobits:.0f} kb/s, key frames {key:.1f} kB every {every:.0f}, others {others:.0f} bytes"
    )
