"""Tables and figures of the paper, from the jobs of a study."""
