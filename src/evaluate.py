"""`python -m src.evaluate`: see `zsvideo.commands.evaluate`."""

from zsvideo.commands.evaluate import main

if __name__ == "__main__":
    main()
