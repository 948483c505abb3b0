"""One experiment, from its config to its run folder: what `train` and `evaluate` share.

A run folder holds `.hydra/` (the config), `protocol.json` (which classes, and why), `checkpoints/`,
`predictions/<target>.npz`, `samples/<target>.npz` (clips as the network saw them), `metrics.json`,
`metrics.csv` (the training curve) and `SHA256SUMS` of these.
"""
