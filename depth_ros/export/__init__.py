"""From trained weights to model files that every engine runs, checked against the network that they came from."""
