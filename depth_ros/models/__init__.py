"""What a model is, where it is found, and whether it is intact."""
