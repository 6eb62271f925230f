"""What every source of frames gives, be it a bag or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from depth_ros.frame import Frame


class Sample(NamedTuple):
    """One frame with what is known of the truth.

    truth: float32 [H,W], metres along z in the rectified camera, NaN = unknown; None where the source has none.
    """

    name: str
    frame: Frame
    truth: NDArray[np.float32] | None


class FrameSource(Protocol):
    """Gives frames in the order of their stamps, read one by one; may be iterated again.

    faults: the frames that the last iteration could not read and left out, a sentence each.
    """

    name: str
    faults: list[str]

    def samples(self) -> Iterator[Sample]:
        """Yield the samples; raises BagError when none can be read."""
