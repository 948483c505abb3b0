"""`python -m src.predict`: see `zsvideo.commands.predict`."""

from zsvideo.commands import run

if __name__ == "__main__":
    run("predict")
