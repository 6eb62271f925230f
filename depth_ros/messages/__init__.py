"""Message-shaped objects to arrays and back; no ROS import, so live topics and bags share every line."""
