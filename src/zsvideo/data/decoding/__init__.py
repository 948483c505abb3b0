"""Files to frames: exact frames by number from videos and from packs, and what can be wrong."""
