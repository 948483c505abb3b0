"""Files of tensors that hold nothing but tensors, in the safetensors format.

The format is a length, a JSON header with type, shape and place of each tensor, and their bytes; it
is what other libraries and model hubs read. Nothing in such a file can be executed.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zsvideo.errors import UserError

TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {kind: name for name, kind in TYPES.items()}
METADATA = "__metadata__"
LARGEST = 100 << 20  # bytes of a header
ALIGNED = 8  # bytes


def write_safetensors(file: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors by name, with text beside them."""
    header: dict[str, object] = {METADATA: dict(metadata)}
    tensors = {name: state[name].detach().cpu().contiguous() for name in sorted(state)}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNED)
    with file.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            out.write(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """Read all tensors of a file by name.

    Raises:
        UserError: it is missing, damaged, or no such file.
    """
    try:
        content = bytearray(file.read_bytes())
        length = int.from_bytes(content[:8], "little")
        if not 0 < length <= min(LARGEST, len(content) - 8):
            raise ValueError("its header is cut short")
        header = json.loads(content[8 : 8 + length])
        body = memoryview(content)[8 + length :]
        return {name: tensor_of(entry, body) for name, entry in header.items() if name != METADATA}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError(f"{file} cannot be read as safetensors: {error}") from None


def tensor_of(entry: Mapping[str, Any], body: memoryview) -> Tensor:
    """Read one tensor; raises ValueError where its place does not fit its shape."""
    kind, shape = TYPES[entry["dtype"]], [int(side) for side in entry["shape"]]
    start, end = map(int, entry["data_offsets"])
    count = math.prod(shape)
    if min(shape, default=0) < 0 or not 0 <= start <= end <= len(body):
        raise ValueError("a tensor lies outside of it")
    if end - start != count * torch.empty(0, dtype=kind).element_size():
        raise ValueError("a tensor has another size than its shape")
    if not count:
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(body[start:end], dtype=torch.uint8).view(kind).reshape(shape).clone()
