"""A 3x3 convolution of a map that was made larger, computed on the small map: a quarter of the arithmetic, the same numbers.

AdaBins joins a map, resized (bilinear, align_corners), to a finer one and convolves both. Resizing and convolving are linear, so each of
the nine taps can be applied to the small map as a 1x1 convolution; what is left is to add up, at each place, the nine results as they
would be resized: two multiplications by sparse matrices, one along the columns and one along the rows, done in blocks of their bands.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

Floats = npt.NDArray[np.float32]

#: outputs of a block: more cost more zeros, fewer more calls
BLOCK = 32


def resizing(small: int, large: int) -> Floats:
    """The matrix (large, small) of bilinear resizing of a line with align_corners, rounded as PyTorch does it."""
    scale = np.float32(small - 1) / np.float32(large - 1) if large > 1 else np.float32(0)
    places = np.arange(large, dtype=np.float32) * scale
    low = places.astype(np.int64)
    share = places - low.astype(np.float32)
    matrix = np.zeros((large, small), np.float32)
    rows = np.arange(large)
    matrix[rows, low] += 1 - share
    matrix[rows, np.minimum(low + 1, small - 1)] += share
    return matrix


def banded(matrix: Floats) -> tuple[Tensor, tuple[int, ...]]:
    """Resizing (large, small) followed by three taps with zeros beyond the ends, in blocks of outputs.

    Returns the blocks (n, BLOCK, 3 K) and where each begins: block b gives outputs b BLOCK ... from the small places start ... start + K,
    each with its three taps one after the other. Outputs beyond the end are zeros.
    """
    large, small = matrix.shape
    ends = np.zeros((1, small), np.float32)
    padded = np.concatenate([ends, matrix, ends])
    taps = np.stack([padded[tap : tap + large] for tap in range(3)], axis=2)  # (large, small, 3)
    spans = []
    for first in range(0, large, BLOCK):
        used = np.flatnonzero(taps[first : first + BLOCK].any((0, 2)))
        spans.append((int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1))
    length = max(stop - start for start, stop in spans)
    starts = tuple(min(start, small - length) for start, _ in spans)
    blocks = torch.zeros(len(spans), BLOCK, 3 * length)
    for number, start in enumerate(starts):
        part = taps[number * BLOCK : (number + 1) * BLOCK, start : start + length]
        blocks[number, : len(part)] = torch.from_numpy(part.reshape(len(part), -1).copy())
    return blocks, starts


@fx.wrap  # type: ignore[misc]
def add_taps(
    y: Tensor, taps: Tensor, across: Tensor, columns: tuple[int, ...], down: Tensor, rows: tuple[int, ...], slope: float
) -> Tensor:
    """leaky_relu(y + the nine maps of ``taps``, each resized and moved by its tap); takes the place of ``y``.

    y: (B, C, H, W). taps: (B, 9 C, h, w), channels in the order (horizontal tap, vertical tap, channel). across, down: as
    :func:`banded` makes them, beginning at ``columns`` and ``rows``.
    """
    images, channels, height, width = y.shape
    small = taps.shape[2]
    y = y.contiguous(memory_format=torch.channels_last)
    lines = taps.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).reshape(images * small, -1, 3, channels)
    wide = y.new_empty(images * small, 3, width, channels)
    reach = across.shape[2]
    for number, start in enumerate(columns):
        some = slice(number * BLOCK, min((number + 1) * BLOCK, width))
        matrix = across[number, : some.stop - some.start].expand(images * small, -1, -1)
        for tap in range(3):
            torch.bmm(matrix, lines[:, 3 * start : 3 * start + reach, tap], out=wide[:, tap, some])
    wide = wide.view(images, 3 * small, width * channels)
    out = y.permute(0, 2, 3, 1).view(images, height, width * channels)
    reach = down.shape[2]
    for image in range(images):
        for number, start in enumerate(rows):
            block = out[image, number * BLOCK : (number + 1) * BLOCK]
            block.addmm_(down[number, : len(block)], wide[image, 3 * start : 3 * start + reach])
            F.leaky_relu_(block, slope)
    return y


class ResizedConv(nn.Module):
    """leaky_relu(conv3x3([coarse, resized, fine])) of a coarse map (B, C, h, w) and a fine one (B, S, H, W), both sizes fixed.

    coarse, fine: the weights (outputs, C, 3, 3) and (outputs, S, 3, 3) of the two parts. With ``frame`` the coarse map is a pixel larger
    on each side, where it is zero, and that is not given. ``always`` (outputs, H, W) is added before the activation.
    """

    across: Tensor
    down: Tensor
    always: Tensor | None

    def __init__(
        self,
        coarse: Tensor,
        fine: Tensor,
        bias: Tensor,
        sizes: tuple[tuple[int, int], tuple[int, int]],
        slope: float,
        frame: bool = False,
        always: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.slope = slope
        outputs, channels = coarse.shape[:2]
        self.taps = nn.Conv2d(channels, 9 * outputs, 1, bias=False)
        self.fine = nn.Conv2d(fine.shape[1], outputs, 3, padding=1)
        with torch.no_grad():
            self.taps.weight.copy_(coarse.permute(3, 2, 0, 1).reshape(9 * outputs, channels, 1, 1))
            self.fine.weight.copy_(fine)
            self.fine.bias.copy_(bias)  # type: ignore[union-attr]
        (small_rows, small_columns), (large_rows, large_columns) = sizes
        down, self.rows = banded(_framed(small_rows, large_rows, frame))
        across, self.columns = banded(_framed(small_columns, large_columns, frame))
        self.register_buffer("down", down, persistent=False)
        self.register_buffer("across", across, persistent=False)
        self.register_buffer("always", always, persistent=False)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        y = self.fine(fine)
        if self.always is not None:
            y = y + self.always
        return add_taps(y, self.taps(coarse), self.across, self.columns, self.down, self.rows, self.slope)  # type: ignore[no-any-return]


def _framed(small: int, large: int, frame: bool) -> Floats:
    """The matrix of resizing; that of a line with a zero at either end lacks their columns."""
    return resizing(small + 2, large)[:, 1:-1] if frame else resizing(small, large)
