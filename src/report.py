"""`python -m src.report`: see `zsvideo.commands.report`."""

from zsvideo.commands import run

if __name__ == "__main__":
    run("report")
