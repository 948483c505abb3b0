"""`python -m src.predict`: see `zsvideo.commands.predict`."""

from zsvideo.commands.predict import main

if __name__ == "__main__":
    main()
