"""From a representation to class probabilities: logistic, and mixture of experts (spec 5.4).

The published checkpoints keep a classifier's variables beside those of the network, not under a name of its own; so a classifier
is attached to its network, and found again by the names of its layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cache.errors import one_of
from systems.fewerframes.dense import Dense
from systems.fewerframes.initial import xavier_uniform

KINDS = ("logistic", "moe")


def attach(owner: nn.Module, kind: str, width: int, classes: int, experts: int = 2) -> None:
    """Give ``owner`` the layers of a classifier: ``fully_connected``, or ``gates`` and ``experts``.

    ``experts`` is the number n of experts per class; a dummy expert that says 0 is added to them.
    """
    one_of("classifier", kind, KINDS)
    if kind == "logistic":
        owner.fully_connected = Dense(width, classes)
    else:
        owner.gates = Dense(width, classes * (experts + 1), bias=False, initialise=xavier_uniform)
        owner.experts = Dense(width, classes * experts, initialise=xavier_uniform)


def classify(owner: nn.Module, representation: Tensor) -> tuple[Tensor, Tensor | None]:
    """Probabilities (B,C) and logits (B,C) of ``representation`` (B,H); a mixture of experts has no logits."""
    if isinstance(getattr(owner, "fully_connected", None), Dense):
        logits = owner.fully_connected(representation)
        return torch.sigmoid(logits), logits
    return mixture_of_experts(owner.gates(representation), owner.experts(representation)), None


def mixture_of_experts(gates: Tensor, experts: Tensor) -> Tensor:
    """Probabilities (B,C) from gate logits (B, C(n+1)) and expert logits (B, Cn); both are laid out class by class.

    P = sum over the n experts of softmax(gates)_i sigmoid(experts)_i; the last gate is the dummy's.
    """
    experts_each = experts.shape[1] // (gates.shape[1] - experts.shape[1])
    weights = torch.softmax(gates.unflatten(1, (-1, experts_each + 1)), dim=-1)
    return (weights[..., :-1] * torch.sigmoid(experts.unflatten(1, (-1, experts_each)))).sum(-1)


def penalty(owner: nn.Module, weight: float) -> Tensor:
    """l2 of the classifier, ``weight`` times half the sum of squares (spec 6): of W and b, or of both kernels of the experts."""
    if isinstance(getattr(owner, "fully_connected", None), Dense):
        layers = [owner.fully_connected.weights, owner.fully_connected.biases]
    else:
        layers = [owner.gates.weights, owner.experts.weights]
    return 0.5 * weight * sum(layer.square().sum() for layer in layers)
