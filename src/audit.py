"""`python -m src.audit`: see `zsvideo.commands.audit`."""

from zsvideo.commands import run

if __name__ == "__main__":
    run("audit")
