"""How the networks learn: sensors, samples, losses, the trainer."""
