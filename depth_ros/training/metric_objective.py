"""What the metric network is asked for: metres and shape of canonical inverse depth, edges, sky, focal length."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from depth_ros.training.derivative_losses import derivative_errors
from depth_ros.training.losses import SIGMA_SHARE, huber, mean, pinball, quantile
from depth_ros.training.metric_losses import mae, proposal_loss, silog
from depth_ros.training.normal_losses import virtual_normal_loss
from depth_ros.training.pool import FARTHEST_M

PROPOSALS = 3
"""Windows of RPNL per step: its medians cost more than all other losses together."""
TRIPLES = 0.02
"""Triples of VNL per pixel."""
DERIVATIVE_SCALES = 5
_LEAST_LOG_ERROR = 1e-3

# Their windows and triples are drawn anew in every step: a compiler would compile them anew in every step.
_proposals = torch.compiler.disable(proposal_loss)  # type: ignore[no-untyped-call]
_normals = torch.compiler.disable(virtual_normal_loss)  # type: ignore[no-untyped-call]


def metric_loss(
    log_inverse: Tensor,
    log_sigma: Tensor,
    sky: Tensor,
    focal: Tensor,
    batch: dict[str, Tensor],
    progress: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss and its parts.

    The first four are those of `networks.metric.Seen`. batch: truth float32 [N,h,w], metres, 0 = none; seen [N,h,w];
    intrinsics [N,4] of the canvas; whole, bool [N]. progress: float32 [], 0..1: smooth first, absolute errors and edges
    later.
    """
    truth, seen, width = batch["truth"], batch["seen"] > 0, log_inverse.shape[2]
    valid = truth > 0
    empty = seen & ~valid
    scale = (batch["intrinsics"][:, 0] / width)[:, None, None]
    weight = valid.float()
    real = torch.where(valid, truth, 1.0)
    target = torch.where(valid, scale / real, 0.0)
    error = torch.where(valid, log_inverse - (scale / real).log(), 0.0).clamp(-3, 3)
    depth = scale * (-log_inverse).exp()
    # Inverse depth in units of the picture's mean: every picture counts alike, near or far.
    unit = (target.sum(dim=(1, 2)) / weight.sum(dim=(1, 2)).clamp(min=1)).clamp(min=1e-3)[:, None, None]
    inverse, wanted = log_inverse.exp() / unit, target / unit
    late = (2 * progress - 0.2).clamp(0, 1)
    parts = {
        "huber": huber(error, weight),
        "absolute": mean(error.abs(), weight),
        "silog": silog(depth, truth, valid),
        "inverse": mae(inverse, wanted, seen),
        **derivative_errors(inverse, wanted, seen, DERIVATIVE_SCALES)._asdict(),
        "proposals": _proposals(inverse, wanted, valid, number=PROPOSALS),
        "normals": _normals(depth, truth, valid, batch["intrinsics"], share=TRIPLES),
        "quantile": quantile(depth, depth.detach() * log_sigma.exp(), truth, weight),
        "sky": mean(functional.binary_cross_entropy_with_logits(sky, empty.float(), reduction="none"), seen.float()),
        "beyond": mean(functional.relu(log_inverse - (scale / FARTHEST_M).log()), empty.float()),
        **focal_losses(focal, scale[:, 0, 0], batch["whole"]),
    }
    loss = (
        (1 - 0.8 * late) * parts["huber"]
        + (0.1 + 0.5 * late) * parts["absolute"]
        + 0.2 * parts["silog"]
        + 0.3 * parts["inverse"]
        + (0.1 + 0.4 * late) * (parts["mage"] + 0.5 * parts["male"])
        + 0.5 * parts["msge"]
        + 0.05 * parts["proposals"]
        + 0.1 * parts["normals"]
        + 0.05 * parts["quantile"]
        + 0.1 * parts["sky"]
        + 0.03 * parts["beyond"]
        + 0.5 * parts["focal"]
        + 0.05 * parts["focal_quantile"]
    )
    return loss, parts


def focal_losses(focal: Tensor, truth: Tensor, whole: Tensor) -> dict[str, Tensor]:
    """Squared error of the log focal length, and the pinball loss of its sigma, of pictures of whole cameras.

    focal: [N,2], as `networks.metric.Seen` has it. truth: [N], focal length over the canvas' width.
    """
    weight = whole.float()
    error = focal[:, 0] - truth.log()
    above = error.detach().abs().clamp(min=_LEAST_LOG_ERROR).log() - focal[:, 1]
    return {"focal": mean(error.square(), weight), "focal_quantile": mean(pinball(above, SIGMA_SHARE), weight)}
