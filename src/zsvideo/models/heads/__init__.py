"""Heads on the features of a frozen f_v: the other systems of Table 1, and the usual ones."""

from zsvideo.models.heads.action2vec import Action2Vec
from zsvideo.models.heads.aurl import Aurl
from zsvideo.models.heads.base import Features, Head, Joined, Training
from zsvideo.models.heads.bidirectional import Bidirectional
from zsvideo.models.heads.bilinear import Ale, Devise, Sje
from zsvideo.models.heads.conse import Conse
from zsvideo.models.heads.eszsl import Eszsl
from zsvideo.models.heads.kernel_ridge import KernelRidge
from zsvideo.models.heads.multitask import Multitask
from zsvideo.models.heads.ridge import Ridge
from zsvideo.models.heads.sae import Sae
from zsvideo.models.heads.tarn import Tarn
from zsvideo.models.heads.url import Url

HEADS: dict[str, type[Head]] = {
    "ridge": Ridge,
    "kernel_ridge": KernelRidge,
    "eszsl": Eszsl,
    "sae": Sae,
    "conse": Conse,
    "bidirectional": Bidirectional,
    "url": Url,
    "multitask": Multitask,
    "devise": Devise,
    "ale": Ale,
    "sje": Sje,
    "aurl": Aurl,
    "tarn": Tarn,
    "action2vec": Action2Vec,
}

__all__ = ["HEADS", "Features", "Head", "Joined", "Training"]
