"""The entry points: one module a command, `zsvideo train ...` or `python -m src.train ...`."""

import importlib
import os
import signal
import sys

from zsvideo.usage import COMMANDS, GROUPS

STOPPED = 128 + signal.SIGINT  # exit status


def main() -> None:
    """Run `zsvideo COMMAND OPTIONS`; exit status 2 where there is no such command."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in COMMANDS:
        del sys.argv[1]
        run(name)
        return
    if name in ("-h", "--help"):
        print("usage: zsvideo COMMAND [GROUP=OPTION] [GROUP.KEY=VALUE]", "", sep="\n")
        print(*(f"  {command:12}{what}" for command, what in COMMANDS.items()), sep="\n")
        print("\ngroups:", *(f"  {group:12}{what}" for group, what in GROUPS.items()), sep="\n")
        print("\n`zsvideo COMMAND --help` lists the options of a command.")
        return
    print(f"error: there is no command {name}; allowed: {', '.join(COMMANDS)}", file=sys.stderr)
    sys.exit(2)


def run(name: str) -> None:
    """Run a command; Ctrl-C ends it in one line, status 130, also while it is still imported."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # not in the background
        signal.signal(signal.SIGINT, leave)
    main = importlib.import_module(f"zsvideo.commands.{name}").main
    signal.signal(signal.SIGINT, before)
    try:
        main()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(STOPPED)


def leave(*_: object) -> None:
    """End at once: nothing is begun yet, and no module is asked that is half imported."""
    os.write(2, b"stopped\n")
    os._exit(STOPPED)
