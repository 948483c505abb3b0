"""`python -m src.export`: see `zsvideo.commands.export`."""

from zsvideo.commands import run

if __name__ == "__main__":
    run("export")
