"""What all figures share: they are drawn without a display, and names in them are no formulas."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

__all__ = ["plt"]
plt.rcParams["text.parse_math"] = False
