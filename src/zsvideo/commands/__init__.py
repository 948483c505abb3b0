"""The entry points: one module a command, `zsvideo train ...` or `python -m src.train ...`."""

import importlib
import sys

COMMANDS = {
    "train": "train on a source and test zero-shot on targets",
    "evaluate": "test a finished run again, or score its saved predictions",
    "prepare": "check a data set and write a form of it that trains fast",
    "audit": "say which classes a protocol keeps out of training, and what still leaks",
    "report": "draw a run, a comparison of runs, or a table or figure of the paper",
}


def main() -> None:
    """Run `zsvideo COMMAND OPTIONS`; exit status 2 where there is no such command."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in COMMANDS:
        del sys.argv[1]
        importlib.import_module(f"zsvideo.commands.{name}").main()
        return
    lines = [f"  {command:10}{what}" for command, what in COMMANDS.items()]
    if name in ("-h", "--help"):
        print("usage: zsvideo COMMAND [OPTIONS]", "", *lines, sep="\n")
        print("\n`zsvideo COMMAND --help` lists the options of a command.")
        return
    print(f"error: there is no command {name}; allowed: {', '.join(COMMANDS)}", file=sys.stderr)
    sys.exit(2)
