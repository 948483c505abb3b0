"""Tables, figures and W&B panels, made from run folders alone."""
