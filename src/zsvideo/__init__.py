"""Zero-shot video classification, trained end to end (Brattoli et al., CVPR 2020)."""
