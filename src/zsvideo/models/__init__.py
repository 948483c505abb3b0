"""Network: visual encoders, the module that trains them, and what watches it."""
