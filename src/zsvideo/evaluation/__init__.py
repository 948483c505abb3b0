"""Numbers: saved predictions, accuracy, and the evaluation protocols."""
