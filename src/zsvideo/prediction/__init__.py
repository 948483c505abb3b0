"""Own videos and own class names: a trained model's answers, from Python, a command or a page."""
