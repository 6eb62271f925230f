"""Procedural worlds with exact depth."""
