"""What tests share: made-up videos, vectors and runs, commands, planted faults."""
