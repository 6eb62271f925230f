"""Depth completion without weights."""
