"""What the extractor of the drawn programmes sees and hears: a row of numbers for each step, to be whitened and put into bytes.

Sight: the small network made for this world (models/backbones) looks at each picture; its last map is averaged over the whole picture, its
halves and its twelfths, and its maximum taken: 16 x 128 = 2048 numbers, as many as Inception's. The whole counts most, so that it is what
the leading components of a PCA are made of. Hearing: 64 log-mel bands, mean and
deviation over the half second around the step: 128 numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional as F

from formats.whitening import one_thread
from models.backbones.fold import fold_batch_norm
from models.backbones.published import load_into, read_state
from models.backbones.small2d import small2d
from models.weights import IMAGENET_MEAN, PAPER_STD, check, find
from world.plan import AUDIO_RATE, RATE
from world.programme import Programme, Shot
from world.render import draw, stage_film
from world.sound import soundtrack

Floats = npt.NDArray[np.float32]
#: side of the pictures that the network sees: smaller than what it was trained on, for speed
SIZE = 96
#: pictures that go through it at once: fixed, since another number could change the last bits
AT_ONCE = 16
WINDOW, HOP, BANDS = 512, 256, 64
#: factors of the maximum, and of the averages over grids of (rows, columns)
MAXIMUM, GRIDS = 0.2, {(1, 1): 3.0, (1, 2): 0.4, (3, 4): 0.2}
#: seconds heard around a step
AROUND = 0.5
SIGHT, HEARING = 2048, 2 * BANDS


class Eye:
    """Pictures (H, W, 3) uint8 -> (n, 2048) float32. Sets torch to one thread, so that sums are always taken in one order."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        known = find("small2d", "world")
        path = check(known, known.path)
        self._net = fold_batch_norm(load_into(small2d(), read_state(path), path.name).requires_grad_(False))
        levels = torch.arange(256, dtype=torch.float64)[:, None] / 255
        self._table = ((levels - torch.tensor(IMAGENET_MEAN)) / torch.tensor(PAPER_STD)).float().numpy()

    @torch.inference_mode()
    def __call__(self, pictures: Iterable[npt.NDArray[np.uint8]]) -> Floats:
        small = np.stack([np.asarray(Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for picture in pictures])
        x = np.stack([self._table[small[..., channel], channel] for channel in range(3)], 1)
        return np.concatenate([self._see(torch.from_numpy(x[start : start + AT_ONCE])) for start in range(0, len(x), AT_ONCE)])

    def _see(self, x: torch.Tensor) -> Floats:
        map_ = self._net.forward_features(x)
        parts = [factor * F.adaptive_avg_pool2d(map_, grid).flatten(1) for grid, factor in GRIDS.items()]
        rows: Floats = torch.cat([MAXIMUM * map_.amax((2, 3)), *parts], 1).numpy()
        return rows


def mel_filters() -> Floats:
    """(BANDS, WINDOW // 2 + 1): triangles, evenly spaced on the mel scale 2595 log10(1 + f / 700) from 60 to 7600 Hz."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (60.0, 7600.0))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(WINDOW, 1 / AUDIO_RATE)
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(up, down), 0, None).astype(np.float32)


FILTERS = mel_filters()


def listen(track: Floats, times: npt.NDArray[np.floating]) -> Floats:
    """Mono samples at 16 kHz, moments in seconds -> (moments, 128) float32."""
    half = WINDOW // 2
    padded = np.pad(track, half)
    starts = np.arange(0, len(track), HOP)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[starts] * np.hanning(WINDOW).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(windows))).astype(np.float32)
    with one_thread():  # numpy would take all cores, in every worker, for this little
        bands = torch.log(torch.from_numpy(power) @ torch.from_numpy(FILTERS.T) + 1e-4).numpy()
    centres = starts / AUDIO_RATE
    rows = []
    for moment in times:
        near = bands[np.abs(centres - moment) <= AROUND / 2]
        near = near if len(near) else bands[-1:]
        rows.append(np.concatenate([near.mean(0), near.std(0)]))
    return np.stack(rows).astype(np.float32)


def describe(programme: Programme, seed: int, eye: Eye) -> tuple[Floats, Floats]:
    """Sight (steps, 2048) and hearing (steps, 128) of a programme."""
    seen = [eye(draw(stage_film(shot.plan), shot.pictures)) for shot in programme.shots]
    return np.concatenate(seen), np.concatenate([_heard(shot, seed) for shot in programme.shots])


def _heard(shot: Shot, seed: int) -> Floats:
    return listen(soundtrack(shot.plan, seed), np.array(shot.pictures) / RATE)
