"""The source folder: `python -m src.train` runs the package that lies in it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
