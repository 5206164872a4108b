"""Trains the small network that tells which script a line of text is in: `make train-scripts`."""
