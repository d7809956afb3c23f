"""The operators of FlowNet 2.0 that are no layers of PyTorch: correlation, warping, norm over channels; differentiable, on any device.

Ilg et al., "FlowNet 2.0: Evolution of Optical Flow Estimation with Deep Networks", CVPR 2017, and Dosovitskiy et al., "FlowNet: Learning
Optical Flow with Convolutional Networks", ICCV 2015, section 3. All compute in float32 and return the type that they were given.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def correlation(
    f1: Tensor, f2: Tensor, pad: int = 20, kernel: int = 1, max_displacement: int = 20, stride1: int = 1, stride2: int = 2
) -> Tensor:
    """How alike the maps (B, C, H, W) are at displaced places: (B, n n, h, w), n = 2 floor(max_displacement / stride2) + 1.

    Channel ``(j + n // 2) n + (i + n // 2)`` is the mean over channels and a ``kernel`` x ``kernel`` window of f1 at (y, x) times f2 at
    (y + j stride2, x + i stride2); outside of the maps there are zeros. (y, x) are max_displacement + stride1 (0, 1, ...) of the maps
    that are padded by ``pad``, so that h = ceil((H + 2 pad - 2 ((kernel - 1) // 2 + max_displacement)) / stride1).
    """
    radius, reach = (kernel - 1) // 2, max_displacement // stride2
    height, width = (-(-(n + 2 * pad - 2 * (radius + max_displacement)) // stride1) for n in f1.shape[-2:])
    # what a window sees: rows `first` and on of the maps, columns alike
    first = max_displacement - pad - radius
    rows, columns = ((n - 1) * stride1 + 1 + 2 * radius for n in (height, width))
    scale = 1.0 / f1.shape[1]
    maps = _one_by_one(f1.float() * scale, f2.float(), first, rows, columns, stride2, reach)
    if kernel > 1 or stride1 > 1:
        maps = F.avg_pool2d(maps, 2 * radius + 1, stride1)
    return maps.to(f1.dtype)


def _one_by_one(f1: Tensor, f2: Tensor, first: int, rows: int, columns: int, step: int, reach: int) -> Tensor:
    """Sums over channels for displacements ``step`` (-reach .. reach), at ``rows`` x ``columns`` places from (first, first) on.

    Places meet only if they lie a multiple of ``step`` apart, so they are sorted by their remainders. A row of f1 then meets all its rows
    of f2 in one product of matrices, of which the bands around the diagonals are wanted.
    """
    batch, channels = f1.shape[:2]
    side, down, across = 2 * reach + 1, -(-rows // step), -(-columns // step)
    a = _sorted(_region(f1, first, down * step, across * step, 0), step)
    b = _sorted(_region(f2, first, down * step, across * step, step * reach), step)
    wide = b.shape[4]
    pairs = zip(a.flatten(0, 2).unbind(), b.flatten(0, 2).unbind(), strict=True)  # unbound at once: the gradient is put together once
    maps = []
    for _ in range(batch):
        bands = []
        for _ in range(step * step):
            one, other = next(pairs)
            met = other.as_strided((down, side * wide, channels), (wide * channels, channels, 1))
            sums = torch.bmm(one, met.transpose(1, 2)).reshape(down, across, side, wide)
            bands.append(sums.as_strided((down, across, side, side), (across * side * wide, side * wide + 1, wide, 1)))
        maps.append(torch.stack(bands).reshape(step, step, down, across, side * side).permute(2, 0, 3, 1, 4))
    whole = torch.stack(maps).reshape(batch, down * step, across * step, side * side)
    return whole[:, :rows, :columns].permute(0, 3, 1, 2)


def _sorted(x: Tensor, step: int) -> Tensor:
    """(B, H, W, C) to (B, remainder of the row, of the column, H / step, W / step, C)."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // step, step, width // step, step, channels).permute(0, 2, 4, 1, 3, 5).contiguous()


def _region(x: Tensor, first: int, rows: int, columns: int, margin: int) -> Tensor:
    """Rows first - margin .. first + rows + margin of ``x`` and columns alike, channels last; zeros where there is nothing."""
    ends = [n for size, length in ((x.shape[3], columns), (x.shape[2], rows)) for n in (margin - first, first + length + margin - size)]
    return F.pad(x.permute(0, 2, 3, 1), (0, 0, *ends))


def resample2d(image: Tensor, flow: Tensor, bilinear: bool = True) -> Tensor:
    """``image`` (B, C, H, W) looked at where ``flow`` (B, 2, H, W) points to: x and y in pixels, from each pixel on.

    Beyond the border there is the border.
    At whole coordinates, the gradient of ``flow`` is that of the cell to the right and below.
    """
    height, width = image.shape[-2:]
    x = flow[:, 0].float() + torch.arange(width, device=flow.device, dtype=torch.float32)
    y = flow[:, 1].float() + torch.arange(height, device=flow.device, dtype=torch.float32).unsqueeze(1)
    if not bilinear:
        return _taps(image.float(), (y + 0.5).floor(), (x + 0.5).floor()).to(image.dtype)
    if torch.is_grad_enabled() and flow.requires_grad:
        return _between(image.float(), y, x).to(image.dtype)
    # ten times as fast as four taps; but its gradient at whole coordinates is another
    grid = torch.stack((x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1), -1)
    return F.grid_sample(image.float(), grid, mode="bilinear", padding_mode="border", align_corners=True).to(image.dtype)


def _between(image: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """The four pixels around, weighted by how near they are."""
    left, top = x.detach().floor(), y.detach().floor()
    across, down = (x - left).unsqueeze(1), (y - top).unsqueeze(1)
    above = _taps(image, top, left) * (1 - across) + _taps(image, top, left + 1) * across
    below = _taps(image, top + 1, left) * (1 - across) + _taps(image, top + 1, left + 1) * across
    return above * (1 - down) + below * down


def _taps(image: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The pixels at whole coordinates (B, H, W), whatever they are: beyond the border, those of the border."""
    batch, channels, height, width = image.shape
    place = _whole(row, height) * width + _whole(column, width)
    return image.flatten(2).gather(2, place.flatten(1).unsqueeze(1).expand(-1, channels, -1)).reshape(batch, channels, *row.shape[1:])


def _whole(coordinate: Tensor, size: int) -> Tensor:
    """A whole coordinate as an index within 0 .. size - 1, whatever it was."""
    return torch.nan_to_num(coordinate, nan=0.0).clamp(0, size - 1).long()


def channelnorm(x: Tensor) -> Tensor:
    """Length of the vector of channels at every pixel: (B, C, H, W) to (B, 1, H, W). The gradient where it is 0 is 0."""
    beside = x.float().contiguous(memory_format=torch.channels_last)  # five times as fast
    return torch.linalg.vector_norm(beside, dim=1, keepdim=True).to(x.dtype)
