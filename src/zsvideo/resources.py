"""Where the files that come with the package lie: configs, and presets of experiments.

Both folders stand at the top of a checkout, and by links inside the package, so that a wheel holds
them.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parents[1]  # top of a checkout
CONF = PACKAGE / "conf"
EXPERIMENTS = PACKAGE / "experiments"
