"""`python -m src.evaluate`: see `zsvideo.commands.evaluate`."""

from zsvideo.commands import run

if __name__ == "__main__":
    run("evaluate")
