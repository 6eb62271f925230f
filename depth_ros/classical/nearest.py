"""The nearest measurement of every pixel."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class Nearest(NamedTuple):
    """depth: float32 [H,W], metres, of the nearest measurement (0 without any). distance: float32 [H,W], pixels."""

    depth: NDArray[np.float32]
    distance: NDArray[np.float32]


def nearest_fill(sparse: NDArray[np.float32]) -> Nearest:
    """Give every pixel the depth of its nearest measurement (distance transform with labels, Borgefors 1986).

    sparse: float32 [H,W], metres along z, 0 = none. Without a measurement the depth is 0 and the distance infinite.
    """
    measured = sparse > 0
    if not measured.any():
        return Nearest(np.zeros_like(sparse), np.full(sparse.shape, np.inf, np.float32))
    distance, label = cv2.distanceTransformWithLabels(
        (~measured).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # Every measurement has a label of its own.
    place = np.flatnonzero(measured)
    by_label = np.zeros(len(place) + 1, np.float32)
    by_label[label.take(place)] = sparse.take(place)
    return Nearest(by_label.take(np.asarray(label, np.int32)), np.asarray(distance, dtype=np.float32))
