"""Pixel and point mathematics: pinhole camera, distortion, rigid motion, LiDAR projection, clouds."""
