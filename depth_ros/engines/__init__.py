"""Run a graph on the hardware that is there; know nothing of depth."""
