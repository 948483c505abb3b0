"""`python -m src.audit`: see `zsvideo.commands.audit`."""

from zsvideo.commands.audit import main

if __name__ == "__main__":
    main()
