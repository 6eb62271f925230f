"""Pictures of a validation: what went in, what came out, what is wrong with it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]
Rgb = NDArray[np.uint8]
FAR_PERCENTILE, NEAR_SHARE, ERROR_SHARE = 98, 0.06, 0.2


def draw_sheet(image: Rgb, sparse: Depth, prior: Depth, depth: Depth, truth: Depth) -> Rgb:
    """Draw image, sparse, prior, depth, truth and relative error (blue too near, red too far) as uint8 RGB, 3 x 2.

    image: uint8 [H,W,3]. The depths: float32 [H,W], metres along z, 0 or NaN = none. Errors span -20 % to 20 %.
    """
    known = depth[np.isfinite(depth) & (depth > 0)]
    far = float(np.percentile(known, FAR_PERCENTILE)) if known.size else 1.0
    dots: Depth = cv2.dilate(sparse, np.ones((3, 3), np.uint8)).astype(np.float32, copy=False)
    panels = [image, *(_coloured(one, far) for one in (dots, prior, depth, truth)), _error(depth, truth)]
    return np.vstack([np.hstack(panels[:3]), np.hstack(panels[3:])])


def _coloured(depth: Depth, far: float) -> Rgb:
    known = np.isfinite(depth) & (depth > 0)
    inverse = np.where(known, 1 / np.where(known, depth, 1), 0) * NEAR_SHARE * far
    picture = cv2.applyColorMap((255 * np.clip(inverse**0.5, 0, 1)).astype(np.uint8), cv2.COLORMAP_TURBO)
    return np.where(known[..., None], picture[..., ::-1], 0).astype(np.uint8)


def _error(depth: Depth, truth: Depth) -> Rgb:
    known = np.isfinite(truth) & (truth > 0) & np.isfinite(depth)
    relative = np.where(known, depth / np.where(known, truth, 1) - 1, 0).clip(-ERROR_SHARE, ERROR_SHARE) / ERROR_SHARE
    red, blue = 1 + np.minimum(relative, 0), 1 - np.maximum(relative, 0)
    picture = np.stack([red, np.minimum(red, blue), blue], axis=-1)
    return np.where(known[..., None], 255 * picture, 0).astype(np.uint8)
