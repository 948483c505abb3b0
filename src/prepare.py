"""`python -m src.prepare`: see `zsvideo.commands.prepare`."""

from zsvideo.commands import run

if __name__ == "__main__":
    run("prepare")
