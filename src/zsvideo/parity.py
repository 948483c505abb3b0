"""Write the numbers by which an encoder is known: `python -m zsvideo.parity encoder=X`.

It opens the encoder and prints the lines for its file in `conf/encoder`: the revision, the hash of
the weights, and the cosines that it gives. Run it where the weights are known to be right, such as
after a published number was reproduced.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from zsvideo.cli import composed
from zsvideo.errors import UserError
from zsvideo.experiment.composed import typed_value
from zsvideo.models.encoders import EncoderSpec, open_encoder
from zsvideo.models.encoders.parity import parity_of


def parity_lines(options: Sequence[str]) -> str:
    """Open an encoder and give the lines for its file.

    Args:
        options: as typed, such as `encoder=pe_l14 encoder.weights=FOLDER`.

    Raises:
        UserError: it cannot be opened, or no encoder is named.
    """
    spec: EncoderSpec | None = typed_value(composed(options, Path()), "encoder")
    if spec is None:
        raise UserError("name an encoder: encoder=pe_l14, for example")
    encoder = open_encoder(spec)
    known = {
        "revision": encoder.spec.revision,
        "sha256": encoder.spec.sha256,
        "parity": parity_of(encoder),
    }
    about = f"# {spec.library} {encoder.version}"
    return f"{about}\n{yaml.safe_dump(known, sort_keys=False, default_flow_style=None, width=200)}"


if __name__ == "__main__":
    try:
        print(parity_lines(sys.argv[1:]), end="")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
