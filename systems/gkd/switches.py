"""What the published code does and one might not do on purpose, as plain data (spec 8).

``fixed`` is the default everywhere; ``released`` brings the published behaviour back. Where both are equal, the published behaviour is the
reference and ``what`` names the other value. Quirks that were mere failures to run are not here; docs/systems/gkd.md lists all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cache.errors import one_of


@dataclass(frozen=True)
class Switch:
    """One quirk by its number in the specification: the value that mends it, the published one, and what it decides."""

    quirk: str
    fixed: str
    released: str
    what: str


RECOGNITION: Mapping[str, Switch] = {
    "classification": Switch(
        "R5", "double", "double", "cross-entropy of softmax summed over positions; 'single': of the logits' mean over positions"
    ),
    "weighting": Switch("R6", "batch", "batch", "whose sum the attention keeps in training: the batch's, or with 'clip' each clip's"),
    "statistics": Switch("R7", "updated", "updated", "running statistics of BN while the network is frozen (stage 1), or 'kept'"),
    "flow_scale": Switch("R9", "whole", "half", "which pictures of a resized flow are kept: all, or the first half, the others 0"),
    "flow_flip": Switch("R10", "plain", "plain", "the x component of a mirrored flow; 'negated' turns its sign"),
    "normalise": Switch("R14", "imagenet", "imagenet", "mean and deviation of the input; 'kinetics': -1..1, as the I3D weights expect"),
}

DETECTION: Mapping[str, Switch] = {
    "reconstructed": Switch("D2", "raw", "overwritten", "what the CVAE's samples are compared with: a clip's maps, or what overwrote them"),
    "pooling_gradient": Switch("D3", "true", "published", "of boundary pooling; the published one takes segments for steps"),
    "weighting": Switch("D4", "sum", "sum", "what maps weighted by attention are divided by; 'mean' keeps them at their size"),
    "affine": Switch("D5", "trained", "trained", "scales and shifts of frozen batch normalisation; 'frozen': as the configuration says"),
    "contrasted": Switch("D13", "every", "first", "which clips of a batch have a contrastive branch: every one that can, or the first"),
    "padding": Switch("D10", "grey", "grey", "what follows a video that is shorter than a window, in tests; 'black', as in training"),
    "last": Switch("D11", "lost", "lost", "the candidate that soft-NMS comes to last; 'kept' gives it out"),
    "flow_flip": Switch("R10", "plain", "plain", "the x component of a mirrored flow; 'negated' turns its sign"),
}


def switches(which: str, table: Mapping[str, Switch] = RECOGNITION) -> dict[str, str]:
    """The value of every switch of a table, ``fixed`` or ``released``."""
    one_of("switches", which, ("fixed", "released"))
    return {name: getattr(switch, which) for name, switch in table.items()}
