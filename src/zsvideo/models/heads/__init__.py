"""Heads on the features of a frozen f_v: the other systems of Table 1, and the usual ones."""

from zsvideo.models.heads.action2vec import Action2Vec
from zsvideo.models.heads.aurl import Aurl
from zsvideo.models.heads.base import Features, Head, Joined, Training
from zsvideo.models.heads.bilinear import Ale, Devise, Sje
from zsvideo.models.heads.ridge import Ridge
from zsvideo.models.heads.tarn import Tarn

HEADS: dict[str, type[Head]] = {
    "ridge": Ridge,
    "devise": Devise,
    "ale": Ale,
    "sje": Sje,
    "aurl": Aurl,
    "tarn": Tarn,
    "action2vec": Action2Vec,
}

__all__ = ["HEADS", "Features", "Head", "Joined", "Training"]
