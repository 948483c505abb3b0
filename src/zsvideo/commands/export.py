"""Write a trained model to share: `python -m src.export RUN OUT`.

Exit status 0, or 2 for a mistake in the command.
"""

import sys
from pathlib import Path

from zsvideo.commands.predict import Parser, tell
from zsvideo.errors import UserError
from zsvideo.usage import COMMANDS, prepare_process, typed


def parser() -> Parser:
    """List the arguments."""
    own = Parser(prog=typed("export"), description=COMMANDS["export"], allow_abbrev=False)
    own.add_argument("model", help="a run folder or a checkpoint (also the authors')")
    own.add_argument("out", help="folder to write: weights, config and model card")
    own.add_argument("--onnx", action="store_true", help="f_v and f_s as ONNX too, for any batch")
    return own


def main() -> None:
    """Run the command line."""
    prepare_process()
    arguments = parser().parse_args()
    try:
        from zsvideo.prediction.export import export
        from zsvideo.prediction.loading import read_model

        network, facts = read_model(arguments.model)
        files = export(network, facts, Path(arguments.out), arguments.onnx)
    except (UserError, OSError) as error:
        sys.exit(tell(error))
    print("written:", *files)
