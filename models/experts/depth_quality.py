"""How good a depth map is: the measures of Eigen et al. (NIPS 2014) as AdaBins computes them, and the loss that it was trained with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Floats = npt.NDArray[np.floating]

#: NYU is measured in these rows and columns of its 480 x 640 pictures (Eigen); KITTI in these shares of a picture (Garg)
EIGEN = (slice(45, 471), slice(41, 601))
GARG = ((0.40810811, 0.99189189), (0.03594771, 0.96405229))
#: of the squared mean in SILog; its factor
BALANCE, SCALE = 0.15, 10.0


def depth_errors(truth: Floats, depth: Floats) -> dict[str, float]:
    """The nine measures of two arrays of one shape, in metres, all positive.

    a1 to a3: share of pixels within a factor of 1.25, 1.25**2, 1.25**3; abs_rel and sq_rel: mean error and squared error by the truth;
    rmse in metres; rmse_log, log_10; silog: 100 times the deviation of the logarithms' difference.
    """
    ratio = np.maximum(truth / depth, depth / truth)
    gap, log = truth - depth, np.log(depth) - np.log(truth)
    shares = {f"a{k}": float((ratio < 1.25**k).mean()) for k in (1, 2, 3)}
    return shares | {
        "abs_rel": float(np.mean(np.abs(gap) / truth)),
        "sq_rel": float(np.mean(gap**2 / truth)),
        "rmse": float(np.sqrt(np.mean(gap**2))),
        "rmse_log": float(np.sqrt(np.mean(log**2))),
        "log_10": float(np.mean(np.abs(np.log10(truth) - np.log10(depth)))),
        "silog": float(100 * np.sqrt(np.mean(log**2) - np.mean(log) ** 2)),
    }


def eigen_mask(height: int, width: int) -> npt.NDArray[np.bool_]:
    """Pixels (height, width) that NYU is measured on."""
    mask = np.zeros((height, width), bool)
    mask[EIGEN] = True
    return mask


def garg_mask(height: int, width: int) -> npt.NDArray[np.bool_]:
    """Pixels (height, width) that KITTI is measured on."""
    (top, bottom), (left, right) = GARG
    mask = np.zeros((height, width), bool)
    mask[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = True
    return mask


def silog_loss(depth: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """10 sqrt(var(g) + 0.15 mean(g)^2), g = log(depth) - log(truth) where ``mask`` holds; the variance is the unbiased one.

    ``depth`` (B, 1, h, w) is first resized to ``truth`` (B, 1, H, W).
    """
    larger = F.interpolate(depth, truth.shape[2:], mode="bilinear", align_corners=True)
    if mask is not None:
        larger, truth = larger[mask], truth[mask]
    g = torch.log(larger) - torch.log(truth)
    return SCALE * torch.sqrt(torch.var(g) + BALANCE * g.mean() ** 2)
