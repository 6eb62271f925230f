"""Dense metric depth from a camera and a LiDAR, live on ROS 2 topics or offline from a bag."""

__version__ = "0.1.0"
