"""The contrastive clip: a piece of background is moved into the middle of an action (spec 2.4, the SSL branch of AFSD).

What is left of the action on both sides belongs together, and what lies between does not. Only frames change places, so what is computed
here is an order of the frames of a clip.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.training.crops import Pick


class Contrastive(NamedTuple):
    """The frame of the clip at each place, (T,) int64; ``segments`` float32 (3, 2): the action before, after, and the piece within.

    ``found`` is false if there was nothing to move: then the frames are as they were, and ``segments`` are the (n, 2) given ones.
    """

    frames: npt.NDArray[np.int64]
    segments: npt.NDArray[np.float32]
    found: bool


def contrastive(segments: npt.ArrayLike, piece: int, length: int, pick: Pick) -> Contrastive:
    """Move ``piece`` frames of background into an action, in a clip of ``length`` frames.

    segments: (n, 2), start and end of the actions in frames of the clip. ``pick`` chooses, in this order: the action, of those that are
    longer than two pieces; where it is cut; the background, of the stretches between any two neighbouring ends of actions, or of the clip,
    that are longer than a piece; where the piece begins in it.

    As in the published code, a stretch within a long action counts as background if it is no action by itself. A piece from there, or from
    just where the action ends, does not change places with other frames but replaces them.
    """
    given = np.asarray(segments, np.float64).reshape(-1, 2)
    unchanged = Contrastive(np.arange(length), given.astype(np.float32), False)
    actions = [(start, end) for start, end in given.tolist() if end - start > 2 * piece]
    if not actions:
        return unchanged
    start, end = actions[pick(len(actions))]
    cut = math.ceil(start) + piece + pick(math.ceil(end - start - piece) - piece)
    stretches = _background(given, piece, length)
    if not stretches:
        return unchanged
    first, last = stretches[pick(len(stretches))]
    begins = first + pick(last - first - piece)
    ends = begins + piece
    frames = np.arange(length)
    if end < begins:  # the background lies behind: what is between moves back
        frames[cut + piece : ends] = np.arange(cut, begins)
        frames[cut : cut + piece] = np.arange(begins, ends)
        moved = ((start, cut), (cut + piece, piece + end), (cut + 1, cut + piece - 1))
    else:
        frames[begins : cut - piece] = np.arange(ends, cut)
        frames[cut - piece : cut] = np.arange(begins, ends)
        moved = ((start - piece, cut - piece), (cut, end), (cut - piece + 1, cut - 1))
    return Contrastive(frames, np.array(moved, np.float32), True)


def _background(segments: npt.NDArray[np.float64], piece: int, length: int) -> list[tuple[int, int]]:
    """Stretches (first, last) of whole frames that are longer than ``piece`` and no action."""
    ends, actions = sorted([0.0, *segments.ravel().tolist(), length - 1.0]), set(map(tuple, segments.tolist()))
    pairs = [pair for pair in pairwise(ends) if pair not in actions]
    return [(math.ceil(a), math.floor(b)) for a, b in pairs if math.floor(b) - math.ceil(a) > piece]
