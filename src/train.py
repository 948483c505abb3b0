"""`python -m src.train`: see `zsvideo.commands.train`."""

from zsvideo.commands import run

if __name__ == "__main__":
    run("train")
