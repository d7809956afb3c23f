"""Lite-MKD: few-shot action recognition distilled from RGB, flow and depth (ACM MM 2023).

    sample     eight frames of each video, at even places
    derive     optical flow, depth and skeletons of these frames, as pictures

Its networks, episodes and losses are here; the stages that train them are not yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cache.errors import ConfigError
from cache.stage import Config, Node, Shared, option


@dataclass(frozen=True)
class GraphParams:
    """What the teacher sees beside RGB."""

    modalities: tuple[str, ...] = option(("flow", "depth"), "derived from RGB", choices=("flow", "depth", "skeleton"), distinct=True)


def nodes(config: Config, shared: Shared) -> Iterator[Node]:
    """Yield what is derived. Sections: ``graph``, ``sample``, ``derive`` (``derive.flow`` ... speak to one)."""
    modalities = config.graph(GraphParams).modalities
    if not modalities:
        raise ConfigError("graph.modalities is empty, and RGB alone has nothing to fuse", hint="--set graph.modalities=[flow,depth]")
    for modality in modalities:
        yield shared("derive", modality)
