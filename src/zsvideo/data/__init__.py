"""Pixels: decoding, clips, transforms, and one data module a data set."""
