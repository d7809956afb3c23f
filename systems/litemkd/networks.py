"""The trained networks among the inputs of a stage, by name: what they are called, how they see, and each as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cache.stage import Context
from systems.litemkd import trained
from systems.litemkd.episodes import Shape
from systems.litemkd.seen import Look
from systems.litemkd.whole import Whole


@dataclass(frozen=True)
class Network:
    """A network in eval mode and its ``model.json``."""

    model: Any
    about: Mapping[str, Any]

    @property
    def frames(self) -> int:
        """T."""
        return int(self.about["arguments"]["frames"])

    @property
    def look(self) -> Look:
        """What it sees of a clip; not of a teacher, which sees features."""
        return Look.of_trained(self.about)


def named(inputs: Iterable[str]) -> list[str]:
    """Those inputs that are networks, in the order of the report: teacher, experts, students."""
    roles = ("teacher", "expert", "student")
    return sorted((name for name in inputs if name.split(".")[0] in roles), key=lambda name: roles.index(name.split(".")[0]))


def read_all(ctx: Context) -> dict[str, Network]:
    """The networks by name."""
    return {name: Network(*trained.read(ctx.inputs[name], ctx.device)) for name in named(ctx.inputs)}


def whole_of(name: str, networks: Mapping[str, Network], shape: Shape) -> tuple[Whole, int, list[int]]:
    """A network as a whole, the frames of a clip, and the size of its pictures in each modality."""
    network = networks[name]
    if name != "teacher":
        return Whole(network.model, shape), network.frames, [network.look.image_size]
    experts = [networks[f"expert.{modality}"] for modality in network.about["modalities"]]
    whole = Whole(network.model, shape, {modality: one.model for modality, one in zip(network.about["modalities"], experts)})
    return whole, network.frames, [one.look.image_size for one in experts]
