"""A network of frame features as it leaves: with its dequantisation and normalisation, on padded frames.

Symbols: B videos, M frames that the network sees, D width of a frame, C labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cache.json_files import read_json
from models.exported import Exportable, Feed, Found, Measure, Port, Run, around, in_lots
from systems.fewerframes.arithmetic import Normalisation
from systems.fewerframes.data import Batch, Partition, open_partition
from systems.fewerframes.metrics import Metrics
from systems.fewerframes.mixture import MixtureOutput
from systems.fewerframes.trained import Network, read_network

#: Batches of the comparison, and videos of a batch of the score.
SIZES, LOT = (8, 3, 1), 64


class Exported(nn.Module):
    """frames (B,M,D) and present (B,M) to probabilities (B,C)."""

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.network, self.normalisation = network, normalisation

    def forward(self, frames: Tensor, present: Tensor) -> tuple[Tensor]:
        out = self.network(self.normalisation.network_input(frames, present), present)
        return ((out.mixed if isinstance(out, MixtureOutput) else out).probabilities,)


def load(found: Found) -> Exportable:
    """The network, and videos of the partition that is scored."""
    network = read_network(found.network)
    partition = Partition(open_partition(found.inputs["ingest"], _scored(found)), network.view)
    facts = read_json(found.inputs["ingest"] / "frames.json")
    labels = facts.get("classes") or [str(number) for number in range(facts["num_classes"])]
    count, width = partition.batch(np.array([0])).codes.shape[1:]
    dtype = str(partition.batch(np.array([0])).codes.numpy().dtype)
    return Exportable(
        Exported(network.model, network.normalisation),
        inputs=(
            Port("frames", dtype, ("batch", count, width), "frame features as YouTube-8M quantises them: rgb, then audio"),
            Port("present", "bool", ("batch", count), "false behind the last frame of a short video"),
        ),
        outputs=(Port("probabilities", "float32", ("batch", len(labels)), "of every label by itself: they do not sum to 1"),),
        rows=[feed for feed, _ in _batches(partition, around(len(partition), SIZES))],
        reference=lambda feed: _reference(network, feed),
        about={
            "task": "labels of a video from its frame features",
            "labels": labels,
            "frames": dataclasses.asdict(network.view),
            "widths": {"rgb": facts["rgb"], "audio": facts["audio"]},
            "how": "dequantisation and normalisation are in the network; frames says which frames of a video it sees",
            "normalisation": network.normalisation.name,
            "build": {"function": "systems.fewerframes.networks:build", "arguments": network.about["arguments"]},
        },
        script="systems.fewerframes.standalone",
        measure=Measure("GAP@20", lambda run: _gap(run, partition)),
        asks_len=True,
    )


def _scored(found: Found) -> str:
    params = found.params.get("evaluate")
    return str(getattr(params, "partition", "validate"))


def _batches(partition: Partition, lots: Sequence[Sequence[int]]) -> Iterator[tuple[Feed, Batch]]:
    for places in lots:
        batch = partition.batch(torch.tensor(places))
        yield {"frames": batch.codes.numpy(), "present": batch.present.numpy()}, batch


def _reference(network: Network, feed: Feed) -> Feed:
    codes, present = torch.from_numpy(feed["frames"]), torch.from_numpy(feed["present"])
    nothing: Any = torch.zeros(len(codes), 0)
    return {"probabilities": network.predict(Batch(codes, present, nothing, nothing)).probabilities.numpy()}


def _gap(run: Run, partition: Partition) -> float:
    metrics = Metrics(partition.classes)
    for feed, batch in _batches(partition, in_lots(len(partition), LOT)):
        metrics.add(run(feed)["probabilities"], batch.labels.numpy())
    return metrics.result().gap
