"""Frame to DepthMap."""
