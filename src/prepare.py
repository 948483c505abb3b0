"""`python -m src.prepare`: see `zsvideo.commands.prepare`."""

from zsvideo.commands.prepare import main

if __name__ == "__main__":
    main()
