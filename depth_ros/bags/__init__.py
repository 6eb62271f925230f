"""Bags and folders of recorded frames, read and written without a ROS installation."""
