"""Tables and figures of the paper, from the cells of a study."""
