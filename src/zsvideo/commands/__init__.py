"""The entry points: one module a command, `zsvideo train ...` or `python -m src.train ...`."""

import importlib
import sys

from zsvideo.usage import COMMANDS, GROUPS


def main() -> None:
    """Run `zsvideo COMMAND OPTIONS`; exit status 2 where there is no such command."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in COMMANDS:
        del sys.argv[1]
        importlib.import_module(f"zsvideo.commands.{name}").main()
        return
    if name in ("-h", "--help"):
        print("usage: zsvideo COMMAND [GROUP=OPTION] [GROUP.KEY=VALUE]", "", sep="\n")
        print(*(f"  {command:12}{what}" for command, what in COMMANDS.items()), sep="\n")
        print("\ngroups:", *(f"  {group:12}{what}" for group, what in GROUPS.items()), sep="\n")
        print("\n`zsvideo COMMAND --help` lists the options of a command.")
        return
    print(f"error: there is no command {name}; allowed: {', '.join(COMMANDS)}", file=sys.stderr)
    sys.exit(2)
