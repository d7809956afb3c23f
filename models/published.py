"""Every published set of weights that kdpipe knows, of backbones and of experts: for the verbs that list and check files.

Stages look into the table of their own networks, so that an edit of the other is no business of theirs.
"""

from __future__ import annotations

from models import weights as backbones
from models.experts import weights as experts
from models.weights import Weights, entry_of

WEIGHTS: dict[str, Weights] = {**backbones.WEIGHTS, **experts.WEIGHTS}


def of_network(name: str) -> list[Weights]:
    """The known weights of a backbone, an expert or a detector, in the order of its table."""
    return [entry for entry in WEIGHTS.values() if entry.backbone == name]


def find(network: str, short: str) -> Weights:
    """The entry ``<network>.<short>``, e.g. ``resnet101`` and ``imagenet1k_v1``. Raises ConfigError naming the nearest."""
    return entry_of(of_network(network), network, short)


def of_file(name: str, sha256: str) -> tuple[Weights | None, str]:
    """The known weights that a file is, and how we know: ``"digest"``, ``"name"`` (no digest is published), ``"differs"`` or ``""``.

    ``"differs"``: it has the name of a published file, but not its digest.
    """
    for entry in WEIGHTS.values():
        if entry.sha256 and sha256.startswith(entry.sha256):
            return entry, "digest"
    named = next((entry for entry in WEIGHTS.values() if entry.file == name), None)
    return named, "" if named is None else "differs" if named.sha256 else "name"
