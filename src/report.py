"""`python -m src.report`: see `zsvideo.commands.report`."""

from zsvideo.commands.report import main

if __name__ == "__main__":
    main()
