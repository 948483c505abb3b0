"""`python -m src.export`: see `zsvideo.commands.export`."""

from zsvideo.commands.export import main

if __name__ == "__main__":
    main()
