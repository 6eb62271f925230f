"""Pictures of depth: image, sparse input, depth and error, with colour bars in metres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from depth_ros.errors import EvaluationError

Depth = NDArray[np.float32]
Rgb = NDArray[np.uint8]

DEPTH_COLOURS, ERROR_COLOURS = "plasma_r", "RdBu"
PAPER, INK, NOTHING = "#16181d", "#d7dae0", (48, 52, 60)
DIMMED = 0.3
PIXELS_PER_DOT_RADIUS, LEAST_DOT_RADIUS = 620, 1.5
WIDTH, TITLE, LABEL, BAR, UNDER_BAR, GAP = 12.0, 0.3, 0.24, 0.09, 0.3, 0.12
DPI = 130
ERROR_LINEAR, ERROR_LIMIT = 0.1, 10.0
DEPTH_TICKS = (0.2, 0.3, 0.5, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 60, 80, 120)
SUFFIXES = (".png", ".jpg", ".jpeg")


class _Panel(NamedTuple):
    """One picture with its label above and, where there is a unit, its colour bar below."""

    label: str
    backdrop: Rgb
    values: Depth | None = None
    colours: str = DEPTH_COLOURS
    norm: Any = None
    ticks: Sequence[float] = ()
    unit: str = ""


def depth_range(*depths: Depth | None) -> tuple[float, float]:
    """Return the range (m) that the colours span: 1st to 99th percentile of all known depth, at least a factor of 2."""
    known = [depth[np.isfinite(depth) & (depth > 0)] for depth in depths if depth is not None]
    values = np.concatenate([*known, np.zeros(0, np.float32)])
    if not values.size:
        return 1.0, 10.0
    near, far = np.percentile(values, (1, 99))
    return float(near), float(max(far, 2 * near))


def save_depth_picture(path: Path, rgb: Rgb | None, depth: Depth, title: str = "") -> Path:
    """Draw the image (uint8 [H,W,3] or None) above or beside its depth (float32 [H,W], m, NaN unknown).

    Raises EvaluationError when `path` does not end in .png or .jpg or cannot be written.
    """
    panels = [] if rgb is None else [_Panel("image", rgb)]
    panels.append(_depth_panel("depth", depth, depth_range(depth), _flat(depth.shape)))
    columns = 1 if depth.shape[1] > 2 * depth.shape[0] else len(panels)
    return _save(_draw(panels, columns, title), path)


def save_comparison(path: Path, rgb: Rgb | None, sparse: Depth, depth: Depth, truth: Depth, title: str = "") -> Path:
    """Draw image, sparse input, depth and signed error (depth minus truth) in two rows of two.

    sparse: float32 [H,W], m, 0 or NaN = none. depth, truth: float32 [H,W], m, NaN unknown. rgb: uint8 [H,W,3] or None.
    Raises EvaluationError when `path` does not end in .png or .jpg or cannot be written.
    """
    return save_methods(path, rgb, sparse, {"depth": depth}, truth, title)


def save_methods(
    path: Path, rgb: Rgb | None, sparse: Depth, depths: Mapping[str, Depth], truth: Depth, title: str = ""
) -> Path:
    """Draw image and sparse input, and below them a row of depth and signed error for every method by its name.

    Arrays and errors as in `save_comparison`; all depths share one range of colours.
    """
    sparse = np.where(sparse > 0, sparse, np.float32(np.nan))
    span = depth_range(sparse, truth)
    flat = _flat(sparse.shape)
    grey = flat if rgb is None else _dimmed(rgb)
    panels = [
        _Panel("no image", flat) if rgb is None else _Panel("image", rgb),
        _depth_panel("sparse input", sparse, span, grey, dots=True),
    ]
    for name, depth in depths.items():
        with np.errstate(invalid="ignore"):  # both out of range: inf - inf
            error = depth - truth
        panels += [_depth_panel(name, depth, span, flat), _error_panel(error, grey)]
    return _save(_draw(panels, 2, title), path)


def _depth_panel(name: str, depth: Depth, span: tuple[float, float], backdrop: Rgb, dots: bool = False) -> _Panel:
    from matplotlib.colors import LogNorm

    label = f"{name}: {100 * float(np.isfinite(depth).mean()):.3g} % of pixels"
    ticks = [tick for tick in DEPTH_TICKS if span[0] <= tick <= span[1]]
    drawn = _grown(depth) if dots else depth
    return _Panel(label, backdrop, drawn, DEPTH_COLOURS, LogNorm(*span, clip=True), ticks, "m")


def _error_panel(error: Depth, backdrop: Rgb) -> _Panel:
    from matplotlib.colors import SymLogNorm

    norm = SymLogNorm(ERROR_LINEAR, vmin=-ERROR_LIMIT, vmax=ERROR_LIMIT, clip=True)
    sizes = np.abs(error[np.isfinite(error)])
    median = f": median {1000 * float(np.median(sizes)):.3g} mm" if sizes.size else ": nothing to compare"
    ticks = (-10, -1, -0.1, 0, 0.1, 1, 10)
    return _Panel(
        f"error{median}; red = too near, blue = too far", backdrop, _grown(error), ERROR_COLOURS, norm, ticks, "m"
    )


def _draw(panels: list[_Panel], columns: int, title: str) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(panels) // columns)
    width = (WIDTH - GAP * (columns + 1)) / columns
    height = width * panels[0].backdrop.shape[0] / panels[0].backdrop.shape[1]
    below = [BAR + UNDER_BAR if any(p.unit for p in panels[row * columns :][:columns]) else 0.0 for row in range(rows)]
    head = TITLE if title else 0.0
    total = head + rows * (LABEL + height) + sum(below) + GAP
    figure = Figure(figsize=(WIDTH, total), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    figure.text(GAP / WIDTH, 1 - 0.2 / total, title, color=INK, fontsize=11, weight="bold", va="center")
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        left = GAP + column * (width + GAP)
        bottom = total - head - (row + 1) * (LABEL + height) - sum(below[:row])
        axis = figure.add_axes((left / WIDTH, bottom / total, width / WIDTH, height / total))
        drawn = _fill(axis, panel)
        if drawn is not None:
            place = (left / WIDTH, (bottom - BAR - 0.04) / total, width / WIDTH, BAR / total)
            _colour_bar(figure, figure.add_axes(place), drawn, panel)
    return figure


def _fill(axis: Any, panel: _Panel) -> Any:
    axis.set_axis_off()
    axis.set_title(panel.label, color=INK, fontsize=9, loc="left", pad=4)
    axis.imshow(panel.backdrop, aspect="auto")
    if panel.values is None:
        return None
    hidden = np.ma.masked_invalid(panel.values)
    return axis.imshow(hidden, cmap=panel.colours, norm=panel.norm, interpolation="nearest", aspect="auto")


def _colour_bar(figure: Any, axis: Any, drawn: Any, panel: _Panel) -> None:
    bar = figure.colorbar(drawn, cax=axis, orientation="horizontal")
    bar.set_ticks(panel.ticks, labels=[f"{tick:g} {panel.unit}" for tick in panel.ticks])
    bar.ax.minorticks_off()
    bar.ax.tick_params(colors=INK, labelsize=8, length=2, pad=1)
    bar.outline.set_visible(False)
    for tick, side in zip(bar.ax.get_xticklabels()[:: max(1, len(panel.ticks) - 1)], ("left", "right"), strict=False):
        tick.set_horizontalalignment(side)


def _grown(values: Depth) -> Depth:
    """Let every known pixel fill its small neighbourhood, so that single returns stay visible when scaled down."""
    known = np.isfinite(values)
    if not known.any():
        return values
    distance, (row, column) = ndimage.distance_transform_edt(~known, return_indices=True)
    near = distance <= max(LEAST_DOT_RADIUS, values.shape[1] / PIXELS_PER_DOT_RADIUS)
    return np.where(near, values[row, column], np.float32(np.nan))


def _dimmed(rgb: Rgb) -> Rgb:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return np.repeat((grey * DIMMED + 18).astype(np.uint8)[..., None], 3, axis=2)


def _flat(shape: tuple[int, ...]) -> Rgb:
    return np.full((*shape[:2], 3), NOTHING, np.uint8)


def _save(figure: Any, path: Path) -> Path:
    if path.suffix.lower() not in SUFFIXES:
        raise EvaluationError(f"picture {path} has no known suffix: give {' or '.join(SUFFIXES)}")
    options = {} if path.suffix.lower() == ".png" else {"quality": 88, "subsampling": 0, "optimize": True}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, facecolor=PAPER, pil_kwargs=options)
    except OSError as error:
        raise EvaluationError(f"picture {path} cannot be written ({error.strerror}): give another path") from error
    return path
