"""Heads on the features of a frozen f_v: the other systems of Table 1, and the usual ones."""

from zsvideo.models.heads.base import Features, Head, Joined, Training
from zsvideo.models.heads.ridge import Ridge

HEADS: dict[str, type[Head]] = {"ridge": Ridge}

__all__ = ["HEADS", "Features", "Head", "Joined", "Training"]
