"""Metres for a monocular prior: a robust fit to sparse depth, then a local correction."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.correction import Points, correct
from depth_ros.classical.fill import RANGING_M, paste
from depth_ros.frame import Source

FloatImage = NDArray[np.float32]
Floats = NDArray[np.float64]

FEWEST_FOR_SHIFT = 5
"""Fewer points leave a wrong one among them unseen when scale and shift are asked for."""
FEWEST_FOR_FIELD = 10
"""Fewer points tell nothing about where the prior errs."""
PAIRS = 300
"""Pairs of points that are tried as scale and shift."""
JUDGES = 300
"""Points, at most, that judge a pair."""
SEED = 0
ROUNDS = 10
TUKEY = 4.685
"""Tukey's constant: 95 % efficient under normal noise."""
LEAST_DEVIATION = 0.005
SURE = 3.0
"""Standard errors by which a slope must differ from 0."""
INDEPENDENT = 50
"""Errors of a prior are alike near by: however many the points, so many count as independent."""
UNFITTED = 0.3
"""Relative sigma of a metric prior that no point confirms."""
UNSHIFTED = 0.3
"""Relative sigma of a relative prior whose shift is not known."""
FAR_GROWTH = 1.5
"""Sigma far from all points, over the spread of the points around the global fit."""
NEAR = 0.5
"""Share of near points in the correction from which on a pixel counts as completed, not as monocular."""


class Basis(IntEnum):
    """What the metres of an aligned prior rest on."""

    NOTHING = 0
    """The points do not give a relative prior a scale: there is no depth."""
    PRIOR = 1
    """No point: a metric prior as it is."""
    SCALE = 2
    """One scale; of a relative prior: the shift is not determined, and taken as 0."""
    SCALE_AND_SHIFT = 3
    """Scale and shift of a relative prior."""
    FIELD = 4
    """A global fit, and the local correction."""


class GlobalFit(NamedTuple):
    """Inverse depth (1/m) = scale * relative prior + shift; for a metric prior depth = prior / scale, shift 0.

    deviation: robust relative standard deviation of the points around it. covariance: float64 [2,2] of scale and shift.
    """

    basis: Basis
    scale: float
    shift: float
    deviation: float
    covariance: Floats


class Aligned(NamedTuple):
    """A prior in metres.

    depth: float32 [H,W], metres along z, NaN = unknown, +Inf = a relative prior that is farther than metres can be
    told. sigma: float32 [H,W], half-width in metres of the central 68 % interval, NaN where depth is not finite.
    source: uint8 [H,W], measured, completed (points near by vouch for it), monocular or none (`frame.Source`).
    basis: what it rests on. fit: the global part.
    """

    depth: FloatImage
    sigma: FloatImage
    source: NDArray[np.uint8]
    basis: Basis
    fit: GlobalFit


NO_FIT = GlobalFit(Basis.NOTHING, float("nan"), float("nan"), float("nan"), np.full((2, 2), np.nan))


def align(prior: FloatImage, sparse: FloatImage, *, relative: bool, paste_measured: bool = True) -> Aligned:
    """Turn a monocular prior into metres by sparse depth.

    prior: float32 [H,W]; relative: unitless inverse depth, larger = nearer, any finite value; otherwise depth in metres
    along z, where what is not positive is unknown. NaN = unknown in both. sparse: float32 [H,W], metres along z; what
    is not finite or not positive is none. paste_measured: give a measured pixel its return where that agrees with the
    points around it.

    First one scale (and one shift, in inverse depth) that most points agree on, then the correction of `correction`.
    Of what the points do not tell, nothing is made up: see `Basis`, of which `Aligned.basis` is one.
    """
    known = np.isfinite(prior) if relative else np.isfinite(prior) & (prior > 0)
    at = np.nonzero(known & (sparse > 0) & (sparse < np.inf))
    at_prior, depth = prior[at].astype(np.float64), sparse[at].astype(np.float64)
    fit = fit_relative(at_prior, depth) if relative else fit_metric(at_prior, depth)
    inverse, error = _apply(fit, prior, known, relative)
    if fit.basis == Basis.NOTHING or len(depth) < FEWEST_FOR_FIELD:
        return _global(fit, inverse, error)
    return _local(fit, inverse, error, sparse, at, paste_measured)


def fit_metric(prior: Floats, depth: Floats) -> GlobalFit:
    """Fit depth = prior / scale; prior, depth: float64 [N], metres, positive. Half of the points may be wrong."""
    if not len(depth):
        return GlobalFit(Basis.PRIOR, 1.0, 0.0, UNFITTED, np.diag([UNFITTED**2, 0.0]))
    return _fit_scale(1 / prior, depth)


def fit_relative(prior: Floats, depth: Floats) -> GlobalFit:
    """Fit 1 / depth = scale * prior + shift, scale > 0; prior, depth: float64 [N], depth in metres, positive.

    Of the residual counts what it is of the depth, so that far points count as near ones do. The pair of points whose
    line has the least median residual (Rousseeuw 1984) is refined by Tukey's biweight: nearly half of the points may be
    wrong. Points that show no slope (too few, all at one depth, a constant prior) leave the shift open: then it is 0,
    as far as the prior is positive. A prior that rises with the depth has no fit.
    """
    if len(depth) < FEWEST_FOR_SHIFT or not np.ptp(prior) > 0:
        return _without_shift(prior, depth)
    middle, spread = float(np.median(prior)), float(np.ptp(prior))
    x = (prior - middle) / spread
    fit = _refine(x, depth, _least_median(x, depth))
    if fit is None:
        return _without_shift(prior, depth)
    (slope, level), deviation, covariance = fit
    error = float(np.sqrt(covariance[0, 0]))
    if slope < -SURE * error:
        return NO_FIT
    if slope <= SURE * error:
        return _without_shift(prior, depth)
    turn = np.array([[1 / spread, 0.0], [-middle / spread, 1.0]])
    scale, shift = turn @ (slope, level)
    return GlobalFit(Basis.SCALE_AND_SHIFT, float(scale), float(shift), deviation, turn @ covariance @ turn.T)


def _without_shift(prior: Floats, depth: Floats) -> GlobalFit:
    positive = prior > 0
    if 2 * np.count_nonzero(positive) <= len(prior):
        return NO_FIT
    fit = _fit_scale(prior[positive], depth[positive])
    deviation = float(np.hypot(fit.deviation, UNSHIFTED))
    return fit._replace(deviation=deviation, covariance=np.diag([(deviation * fit.scale) ** 2, 0.0]))


def _fit_scale(inverse: Floats, depth: Floats) -> GlobalFit:
    """Fit 1 / depth = scale * inverse in the logarithm: the median, refined by Tukey's biweight."""
    ratio = -np.log(depth * inverse)
    centre = float(np.median(ratio))
    for _ in range(ROUNDS):
        deviation = max(_spread(ratio - centre), LEAST_DEVIATION)
        weight = _tukey((ratio - centre) / deviation)
        centre = float(weight @ ratio / weight.sum())
    if len(depth) < FEWEST_FOR_SHIFT:
        deviation = float(np.hypot(deviation, UNFITTED / 2 / np.sqrt(len(depth))))
    scale = float(np.exp(centre))
    error = deviation * scale / np.sqrt(min(len(depth), INDEPENDENT))
    return GlobalFit(Basis.SCALE, scale, 0.0, deviation, np.diag([error**2, 0.0]))


def _least_median(x: Floats, depth: Floats) -> Floats:
    """Return slope and level of the line, through two of the points, with the least median relative residual."""
    random = np.random.default_rng(SEED)
    order = np.argsort(x, kind="stable")
    # One from the lower and one from the upper half: points side by side make lines of any slope.
    half = len(x) // 2
    one, other = order[random.integers(0, half, PAIRS)], order[random.integers(half, len(x), PAIRS)]
    apart = x[other] > x[one]
    one, other = one[apart], other[apart]
    if not len(one):
        return np.array([0.0, float(np.median(1 / depth))])
    slope = (1 / depth[other] - 1 / depth[one]) / (x[other] - x[one])
    level = 1 / depth[one] - slope * x[one]
    judges = np.linspace(0, len(x) - 1, min(len(x), JUDGES)).astype(np.intp)
    residual = np.abs((slope[:, None] * x[judges] + level[:, None]) * depth[judges] - 1)
    best = int(np.argmin(np.median(residual, axis=1)))
    return np.array([slope[best], level[best]])


def _refine(x: Floats, depth: Floats, start: Floats) -> tuple[Floats, float, Floats] | None:
    """Return slope and level, the deviation and the covariance; None where the points do not determine them."""
    design, line = np.column_stack([x * depth, depth]), start
    for _ in range(ROUNDS):
        residual = design @ line - 1
        deviation = max(_spread(residual), LEAST_DEVIATION)
        weight = _tukey(residual / deviation)
        normal = design.T @ (weight[:, None] * design)
        if not np.linalg.cond(normal) < 1e12:
            return None
        line = np.asarray(np.linalg.solve(normal, design.T @ weight), dtype=np.float64)
    share = max(weight.sum(), 1) / min(max(weight.sum(), 1), INDEPENDENT)
    return line, deviation, deviation**2 * share * np.linalg.inv(normal)


def _apply(
    fit: GlobalFit, prior: FloatImage, known: NDArray[np.bool_], relative: bool
) -> tuple[FloatImage, FloatImage]:
    """Return inverse depth (NaN = unknown, 0 = too far to be told) and its relative error of the fit, [H,W] each."""
    value: FloatImage = np.where(known, prior, np.float32(np.nan))
    if not relative:
        inverse: FloatImage = np.float32(fit.scale) / value
        return inverse, np.full_like(inverse, np.sqrt(fit.covariance[0, 0]) / fit.scale)
    slope, both, level = (np.float32(fit.covariance[at]) for at in ((0, 0), (0, 1), (1, 1)))
    inverse = np.float32(fit.scale) * value + np.float32(fit.shift)
    error: FloatImage = np.sqrt(np.maximum((slope * value + 2 * both) * value + level, np.float32(0)))
    inverse = np.where(inverse > error, inverse, np.float32(0) * inverse)
    with np.errstate(divide="ignore", invalid="ignore"):
        return inverse, error / inverse


def _global(fit: GlobalFit, inverse: FloatImage, error: FloatImage) -> Aligned:
    """Return the global fit alone."""
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.float32(1) / inverse
        sigma = np.hypot(error, np.float32(fit.deviation)) * depth
    source = np.where(np.isfinite(depth), np.uint8(Source.MONOCULAR), np.uint8(Source.NONE))
    sigma[source == Source.NONE] = np.nan
    return Aligned(depth, sigma, source, fit.basis, fit)


def _local(
    fit: GlobalFit,
    inverse: FloatImage,
    error: FloatImage,
    sparse: FloatImage,
    at: tuple[NDArray[np.intp], ...],
    paste_measured: bool,
) -> Aligned:
    """Return the global fit with its local correction."""
    told = inverse > 0
    rows, columns = (one[told[at]] for one in at)
    if len(rows) < FEWEST_FOR_FIELD:
        return _global(fit, inverse, error)
    level = -np.log(np.where(told, inverse, np.float32(1)))
    at_level = level[rows, columns].astype(np.float64)
    points = Points(rows, columns, at_level, np.log(sparse[rows, columns].astype(np.float64)) - at_level)
    correction = correct(points, level, FAR_GROWTH * fit.deviation)
    depth = np.exp(level + correction.ratio)
    sigma = np.hypot(correction.deviation, np.where(told, error, np.float32(0)) * (1 - correction.near)) * depth
    sigma += np.float32(RANGING_M)
    source = np.where(correction.near > NEAR, np.uint8(Source.COMPLETED), np.uint8(Source.MONOCULAR))
    depth[~told] = np.where(inverse[~told] == 0, np.float32(np.inf), np.float32(np.nan))
    sigma[~told], source[~told] = np.nan, Source.NONE
    kept = (rows * sparse.shape[1] + columns)[correction.agree]
    source.put(kept, Source.MEASURED)
    if paste_measured:
        paste(depth, sigma, sparse, kept)
    return Aligned(depth, sigma, source, Basis.FIELD, fit)


def _tukey(residual: Floats) -> Floats:
    return np.asarray(np.maximum(1 - (residual / TUKEY) ** 2, 0) ** 2)


def _spread(residual: Floats) -> float:
    """Robust standard deviation around 0."""
    return 1.4826 * float(np.median(np.abs(residual)))
