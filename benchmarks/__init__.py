"""Measurements behind `make bench`; never tests."""
