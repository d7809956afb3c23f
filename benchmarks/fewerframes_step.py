"""A training step of the published NeXtVLAD and of the published graph re-created, for ``benchmarks/steps.py``.

The plain one is what one writes from the paper in PyTorch: dequantise and normalise the padded grid, ``nn.Linear``, ``nn.BatchNorm1d``,
the assignment as the published code spells it, every gradient clipped on its own, ``torch.optim.Adam``. Both see the same videos, of
the lengths that the data set has (120 to 300 s).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from systems.fewerframes.arithmetic import Normalisation
from systems.fewerframes.data import Batch
from systems.fewerframes.losses import cross_entropy
from systems.fewerframes.networks import respond
from systems.fewerframes.nextvlad import NeXtVLAD
from systems.fewerframes.optimiser import ClippedTFAdam

SIZES = {"videos": 16}
#: of the first step: the Adams of TensorFlow and PyTorch have another epsilon
ALLOWED = {"loss": 1e-4}
COUNTED = "ours"
KEEPS_MEMORY = False
CLASSES, GRID, RGB, AUDIO = 3862, 300, 1024, 128


class PlainEncoder(nn.Module):
    """One modality, operation by operation."""

    def __init__(self, width: int, groups: int, clusters: int) -> None:
        super().__init__()
        self.groups, self.clusters, self.size = groups, clusters, 2 * width // groups
        self.expand = nn.Linear(width, 2 * width)
        self.attend = nn.Linear(2 * width, groups)
        self.assign = nn.Parameter(torch.empty(2 * width, groups * clusters))
        self.assign_bn = nn.BatchNorm1d(groups * clusters, eps=1e-3, momentum=1e-3)
        self.centres = nn.Parameter(torch.empty(1, self.size, clusters))
        self.vlad_bn = nn.BatchNorm1d(self.size * clusters, eps=1e-3, momentum=1e-3)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, frames, _ = x.shape
        x = self.expand(x)
        attention = torch.sigmoid(self.attend(x)) * mask[..., None]
        attention = attention.reshape(batch, -1, 1)
        flat = x.reshape(batch * frames, -1)
        activation = self.assign_bn(flat @ self.assign).reshape(batch, frames * self.groups, self.clusters)
        activation = torch.softmax(activation, dim=-1) * attention
        a = activation.sum(-2, keepdim=True) * self.centres
        vlad = torch.matmul(activation.transpose(1, 2), x.reshape(batch, frames * self.groups, self.size)).transpose(1, 2)
        vlad = nn.functional.normalize(vlad - a, dim=1, eps=1e-6)
        return self.vlad_bn(vlad.reshape(batch, -1))


class Plain(nn.Module):
    """The published classifier, operation by operation."""

    def __init__(self) -> None:
        super().__init__()
        self.video, self.audio = PlainEncoder(RGB, 8, 128), PlainEncoder(AUDIO, 4, 64)
        self.hidden = nn.Linear(256 * 128 + 64 * 64, 2048, bias=False)
        self.hidden_bn = nn.BatchNorm1d(2048, eps=1e-3, momentum=1e-3)
        self.gate_1, self.gate_2 = nn.Linear(2048, 256, bias=False), nn.Linear(256, 2048, bias=False)
        self.gate_bn = nn.BatchNorm1d(256, eps=1e-3, momentum=1e-3)
        self.classify = nn.Linear(2048, CLASSES)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        vlad = torch.cat([self.video(x[..., :RGB], mask), self.audio(x[..., RGB:], mask)], dim=1)
        hidden = self.hidden_bn(self.hidden(vlad))
        gates = torch.sigmoid(self.gate_2(torch.relu(self.gate_bn(self.gate_1(hidden)))))
        return torch.sigmoid(self.classify(hidden * gates))


def same_weights(ours: NeXtVLAD, plain: Plain) -> None:
    """Give the plain network the weights of ours."""
    with torch.no_grad():
        for mine, theirs in zip(ours.encoders, (plain.video, plain.audio)):
            for layer, linear in ((mine.fully_connected, theirs.expand), (mine.fully_connected_1, theirs.attend)):
                linear.weight.copy_(layer.weights.t())
                linear.bias.copy_(layer.biases)
            theirs.assign.copy_(mine.cluster_weights)
            theirs.centres.copy_(mine.cluster_weights2)
        for kernel, linear in (
            (ours.hidden1_weights, plain.hidden),
            (ours.gating_weights_1, plain.gate_1),
            (ours.gating_weights_2, plain.gate_2),
        ):
            linear.weight.copy_(kernel.t())
        plain.classify.weight.copy_(ours.fully_connected.weights.t())
        plain.classify.bias.copy_(ours.fully_connected.biases)


def videos(count: int) -> Batch:
    """Random codes and labels of videos of 120 to 300 frames."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 256, (count, GRID, RGB + AUDIO), dtype=torch.uint8, generator=generator)
    lengths = torch.randint(120, GRID + 1, (count,), generator=generator)
    labels = (torch.rand(count, CLASSES, generator=generator) < 3 / CLASSES).float()
    return Batch(codes, torch.arange(GRID) < lengths[:, None], labels, torch.arange(count))


def plain_input(batch: Batch, eigenvalues: Tensor) -> Tensor:
    """The network's input as the published graph makes it."""
    x = (batch.codes.float() * (4 / 255) + (4 / 512 - 2)) * batch.present[..., None]
    return torch.cat([(x[..., :RGB] - 4 / 512) * (eigenvalues.sqrt() + 1e-4), x[..., RGB:]], dim=-1)


class Ours:
    """The step of the shared loop."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        self.net = NeXtVLAD(CLASSES, drop_rate=0.0).train()
        self.eigenvalues = torch.linspace(14.7, 0.05, RGB)
        self.batch = videos(options.videos)
        self.normalisation = Normalisation("whitening", self.eigenvalues)
        self.adam = ClippedTFAdam(self.net.parameters(), lr=2e-4, longest=1.0)

    def learn(self) -> Mapping[str, float]:
        self.adam.zero_grad(set_to_none=True)
        loss = cross_entropy(respond(self.net, self.normalisation, self.batch)[0].probabilities, self.batch.labels)
        loss.backward()
        self.adam.step()
        return {"loss": float(loss.detach())}

    def computed(self) -> Mapping[str, Mapping[str, Tensor]]:
        return {}


class Published(Ours):
    """The same, operation by operation."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.plain = Plain().train()
        same_weights(self.net, self.plain)
        del self.net, self.adam
        self.moves = torch.optim.Adam(self.plain.parameters(), lr=2e-4)

    def learn(self) -> Mapping[str, float]:
        self.moves.zero_grad(set_to_none=True)
        loss = cross_entropy(self.plain(plain_input(self.batch, self.eigenvalues), self.batch.present.float()), self.batch.labels)
        loss.backward()
        for parameter in self.plain.parameters():
            nn.utils.clip_grad_norm_([parameter], 1.0)
        self.moves.step()
        return {"loss": float(loss.detach())}


SIDES = {"ours": Ours, "plain": Published}
