"""Answer own videos with own class names: `python -m src.predict RUN VIDEOS --classes NAMES`.

Plain arguments, since class names have commas and quotes that Hydra's grammar trips over. Exit
status 0; 2 for a mistake in the command; 3 where some video could not be read.
"""

import argparse
import sys
from functools import partial
from typing import NoReturn

from zsvideo.errors import UserError
from zsvideo.texts import printable
from zsvideo.usage import as_typed, prepare_process, typed

EXAMPLES = """examples:
  {0} runs/demo clip.mp4 --classes "pour tea" "climb a ladder"
  {0} runs/big VIDEOS/ --classes names.txt --top 3 --csv out.csv --json out.json --html out.html
  {0} runs/big long.mp4 --classes names.txt --window 2 --stride 1
  find . -name "*.mp4" | {0} runs/big - --classes names.txt
  {0} --encoder pe_l14 VIDEOS/ --classes names.txt
  {0} runs/big --page
"""
MOST = 10**9


class Parser(argparse.ArgumentParser):
    """A parser that says a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong; exit status 2."""
        print(f"error: {message}; see {self.prog} --help", file=sys.stderr)
        sys.exit(2)


def number(kind: type[int] | type[float], text: str) -> float:
    """Read a number that is not beyond measure; raises ArgumentTypeError."""
    try:
        if abs(value := kind(text)) <= MOST:
            return value
    except ValueError:
        pass
    what = "whole number" if kind is int else "number"
    raise argparse.ArgumentTypeError(f"{text!r} must be a {what} of at most {MOST:,}")


whole, seconds = partial(number, int), partial(number, float)


def parser() -> argparse.ArgumentParser:
    """List the arguments."""
    name = typed("predict")
    own = Parser(
        prog=name,
        description="Answer own videos with own class names.",
        epilog=EXAMPLES.format(name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = own.add_argument
    add(
        "model",
        nargs="?",
        help="a run folder, a checkpoint (also the authors'), or an exported folder",
    )
    add("videos", nargs="*", help="files, folders, globs, manifests (.csv), - for a list on stdin")
    add("--classes", nargs="+", metavar="NAME", help=CLASSES_HELP)
    add("--top", type=whole, default=5, metavar="N", help="names an answer (default 5)")
    add(
        "--window", type=seconds, metavar="SECONDS", help="also say when, by windows of this length"
    )
    add("--stride", type=seconds, metavar="SECONDS", help="between windows (default half a window)")
    add("--csv", metavar="FILE", help="write a row an answer")
    add("--json", metavar="FILE", help="write all answers (docs/prediction.md has the schema)")
    add("--html", metavar="FILE", help="write one page that opens offline")
    add(
        "--encoder", metavar="NAME", help="in place of a model, one of another library: pe_l14, ..."
    )
    add("--weights", metavar="FOLDER", help="files of the encoder (default: from the hub)")
    add("--prompts", default="one", help="none, one, usual, or a text with {} (default one)")
    add("--oov", default="drop", choices=("drop", "fallback", "error"), help=OOV_HELP)
    add("--vectors", metavar="FILE", help="word vectors or sentence model of its training")
    add("--device", default="auto", help="cpu, cuda, ... (default: a GPU where there is one)")
    add(
        "--batch", type=whole, metavar="N", help="videos at once (default: as the model was tested)"
    )
    add("--workers", type=whole, default=2, metavar="N", help="decoding processes (default 2)")
    add("--page", action="store_true", help="open a page in the browser of this machine instead")
    add("--port", type=whole, default=7860, help="of the page (default 7860)")
    add("--host", default="127.0.0.1", help="who may open it (default: this machine alone)")
    add("--limit", type=whole, default=512, metavar="MB", help="of an upload (default 512)")
    return own


CLASSES_HELP = "names, or one file: .txt, .csv, .json (also of names that begin with -)"
OOV_HELP = "names with words without a vector: leave out, try other spellings, or stop"


def tell(error: UserError | OSError) -> int:
    """Say in one line what is wrong; gives the exit status."""
    text = str(error)
    if isinstance(error, OSError):
        text = f"{error.filename or 'a file'} cannot be read or written ({error.strerror})"
    print(f"error: {printable(as_typed(' '.join(text.split())))}", file=sys.stderr)
    return 2


def main() -> None:
    """Run the command line."""
    prepare_process()
    arguments = (own := parser()).parse_args()
    if arguments.model is None and arguments.encoder is None:
        own.error("give a model, such as a run folder, or --encoder NAME")
    if arguments.encoder is not None and arguments.model is not None:
        arguments.videos.insert(0, arguments.model)  # what comes first is a video then
        arguments.model = None
    try:
        if arguments.page:
            from zsvideo.prediction.page import serve

            status = serve(arguments)
        else:
            from zsvideo.prediction.terminal import run

            status = run(arguments)
    except BrokenPipeError:  # `| head` has read enough
        sys.stderr.close()
        status = 0
    except (UserError, OSError) as error:
        status = tell(error)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        status = 130
    sys.exit(status)
