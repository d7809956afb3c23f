"""What a sink is, which there are, and how they are named on a command line."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cache.errors import ConfigError, nearest
from cache.stage import Epoch
from pipeline.checked import shown


@dataclass(frozen=True)
class Run:
    """The training whose epochs come: a node of a system on a dataset, under a key, with these settings."""

    node: str
    system: str
    dataset: str
    key: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called, another name for other settings: ``"videoqa.tiny/student.kd.s0-1a2b3c4d"``."""
        return f"{self.system}.{self.dataset}/{self.node}-{self.key[:8]}"


class Sink(Protocol):
    """What the epochs of one training go to. It may raise anything: the training goes on without it."""

    def epoch(self, epoch: Epoch) -> None:
        """Take one epoch. After a kill an epoch may come again."""

    def close(self) -> None:
        """No more will come."""


@dataclass(frozen=True)
class Kind:
    """A kind of sink: the ``module`` that has ``open_sink(place, run)``, what its ``place`` is, and the ``package`` that it needs."""

    module: str
    place: str
    package: str


KINDS = {
    "tensorboard": Kind("pipeline.sinks.tensorboard", "DIR", "tensorboard"),
    "wandb": Kind("pipeline.sinks.wandb", "PROJECT", "wandb"),
}


@dataclass(frozen=True)
class Spec:
    """A sink as it was named: ``tensorboard:DIR``."""

    kind: str
    place: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}"

    def open(self, run: Run) -> Sink:
        """Open it for a training."""
        sink: Sink = importlib.import_module(KINDS[self.kind].module).open_sink(self.place, run)
        return sink


def specs(texts: Iterable[str]) -> tuple[Spec, ...]:
    """The sinks that are meant. Raises ConfigError for a kind that there is not, or whose package is not installed."""
    return tuple(map(_spec, texts))


def _spec(text: str) -> Spec:
    kind, _, place = text.partition(":")
    known = KINDS.get(kind)
    if known is None:
        forms = ", ".join(f"{name}:{one.place}" for name, one in KINDS.items())
        raise ConfigError(f"--log {shown(text)}: there is no such sink", hint=f"{nearest(kind, KINDS)}; the forms are {forms}")
    if not place:
        raise ConfigError(f"--log {text} does not say where to", hint=f"--log {kind}:{known.place}")
    if importlib.util.find_spec(known.package) is None:
        raise ConfigError(
            f"--log {shown(text)} needs the package {known.package}, which is not installed", hint=f"pip install {known.package}"
        )
    return Spec(kind, place)
