"""`python -m src.train`: see `zsvideo.commands.train`."""

from zsvideo.commands.train import main

if __name__ == "__main__":
    main()
