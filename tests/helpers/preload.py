"""Imported once by the process from which commands are forked: all that commands import."""

import gc
import importlib
import pkgutil

import zsvideo

HEAVY = (
    "av",
    "cv2",
    "gensim.models",
    "hydra",
    "hydra_plugins.job_sweeper",
    "matplotlib.pyplot",
    "pytorch_lightning",
    "scipy.stats",
    "sklearn",
    "torch",
    "torchvision",
)
for name in HEAVY:
    importlib.import_module(name)
for module in pkgutil.walk_packages(zsvideo.__path__, "zsvideo."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
gc.freeze()  # of what is here, nothing is garbage
