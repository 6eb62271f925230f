"""Floor space: what stands where on a level floor, and where a robot may stand and look."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.shapes import FloatArray

Rng = np.random.Generator
Rectangle = tuple[float, float, float, float]
_CLEARANCE = 0.3


class FloorSpace:
    """A rectangular floor (x0, y0, x1, y1), metres, with rectangles that are taken."""

    def __init__(self, area: Rectangle) -> None:
        self.area = area
        self._taken: list[Rectangle] = []
        self._kept_clear: list[Rectangle] = []
        self._openings: list[Rectangle] = []

    def take(self, rectangle: Rectangle) -> None:
        """Mark a rectangle as standing in the way."""
        self._taken.append(rectangle)

    def keep_clear(self, rectangle: Rectangle) -> None:
        """Mark a rectangle, say that before a door, where nothing may be put."""
        self._kept_clear.append(rectangle)

    def open_wall(self, rectangle: Rectangle) -> None:
        """Mark where a wall has a door or a window, so that nothing can hang there."""
        self._openings.append(rectangle)

    def is_free(self, rectangle: Rectangle, margin: float = 0.02) -> bool:
        """Tell whether a rectangle lies on the floor and off everything that was taken or kept clear."""
        x0, y0, x1, y1 = rectangle
        if x0 < self.area[0] or y0 < self.area[1] or x1 > self.area[2] or y1 > self.area[3]:
            return False
        return _is_apart(rectangle, [*self._taken, *self._kept_clear], margin)

    def has_wall(self, rectangle: Rectangle) -> bool:
        """Tell whether the wall that a rectangle touches is solid there."""
        return _is_apart(rectangle, self._openings, 0.05)

    def stands(self, rng: Rng, count: int) -> FloatArray:
        """Draw at most `count` poses [P,4,4], P >= 1, with some clearance, that look where there is room to look.

        Twice as many are drawn; those with the shortest free view are dropped.
        """
        low, high = np.array(self.area[:2]), np.array(self.area[2:])
        points = rng.uniform(low + _CLEARANCE, np.maximum(high - _CLEARANCE, low + _CLEARANCE + 0.01), (20 * count, 2))
        clearance = self._clearance(points)
        clear = np.flatnonzero(clearance > _CLEARANCE)[: 2 * count]
        looks = [self._look(rng, point) for point in points[clear if len(clear) else [int(np.argmax(clearance))]]]
        looks.sort(key=lambda look: -look[1])
        return np.stack([T for T, _ in looks[:count]])

    def _clearance(self, points: FloatArray) -> FloatArray:
        taken = np.array([*self._taken, (1e6,) * 4])
        gap = np.maximum(taken[:, :2] - points[:, None], points[:, None] - taken[:, 2:])
        outside = np.linalg.norm(np.maximum(gap, 0), axis=2)
        return np.asarray(np.where(outside > 0, outside, gap.max(axis=2)).min(axis=1), dtype=np.float64)

    def _look(self, rng: Rng, point: FloatArray) -> tuple[FloatArray, float]:
        """Draw a pose at a point, the longer the free view the likelier, and return the length of its view."""
        yaws = rng.uniform(0, 2 * np.pi) + np.arange(12) * np.pi / 6
        open_for = np.array([self._view_length(point, yaw) for yaw in yaws])
        weight = np.square(open_for)
        chosen = rng.choice(len(yaws), p=weight / weight.sum())
        yaw = yaws[chosen]
        cos, sin = np.cos(yaw), np.sin(yaw)
        T = np.eye(4)
        T[:2, :2] = (cos, -sin), (sin, cos)
        T[:2, 3] = point
        return T, float(open_for[chosen])

    def _view_length(self, point: FloatArray, yaw: float) -> float:
        """Length in metres of the free line from a point, over everything that was taken, to the walls."""
        ray = np.array([np.cos(yaw), np.sin(yaw)]) + 1e-9
        boxes = np.array([self.area, *self._taken])
        times = np.sort(np.stack([(boxes[:, :2] - point) / ray, (boxes[:, 2:] - point) / ray]), axis=0)
        enter, leave = times[0].max(axis=1), times[1].min(axis=1)
        met = enter[1:][(enter[1:] < leave[1:]) & (enter[1:] > 0)]
        return float(max(min(leave[0], met.min(initial=np.inf)), 0.01))


def _is_apart(rectangle: Rectangle, others: list[Rectangle], margin: float) -> bool:
    x0, y0, x1, y1 = rectangle
    low_x, low_y, high_x, high_y = np.array([*others, (np.inf,) * 4]).T
    beside = (low_x >= x1 + margin) | (high_x <= x0 - margin)
    return bool((beside | (low_y >= y1 + margin) | (high_y <= y0 - margin)).all())


def bounds(T: FloatArray, low: tuple[float, float], high: tuple[float, float]) -> Rectangle:
    """Return the bounding rectangle in the world of a rectangle in the local frame T."""
    corners = np.array([(x, y, 0.0) for x in (low[0], high[0]) for y in (low[1], high[1])]) @ T[:3, :3].T + T[:3, 3]
    (x0, y0), (x1, y1) = corners[:, :2].min(axis=0), corners[:, :2].max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)
