"""Words: class names, their words and vectors, and which classes may be trained on."""
