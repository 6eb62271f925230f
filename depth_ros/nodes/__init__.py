"""The ROS 2 nodes; the only package that imports rclpy."""

import os

# A node's matrices are small. BLAS threads would only spin after each product, on a core that the node needs: this has
# to be said before numpy is imported, and what the user says counts.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
