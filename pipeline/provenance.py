"""What was made from what, as pictures: the graph as it stands, or the results behind one result."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pipeline.catalog import DAMAGED, GONE, Artifact
from pipeline.judge import FRESH
from pipeline.picture import Box, Picture
from pipeline.standing import Standing
from pipeline.text import age_text, size_text


def of_graph(found: Sequence[Standing]) -> Picture:
    """The nodes of a graph with where they stand; edges from what is read to what reads it."""
    names = {standing.name for standing in found}
    edges = [(read, s.name) for s in found for read in dict.fromkeys(s.state.node.reads.values()) if read in names]
    return Picture(tuple(_node(standing) for standing in found), tuple(edges))


def _node(standing: Standing) -> Box:
    record = standing.record
    status = "accepted" if standing.status == FRESH and standing.accepted else standing.status
    made = (
        f"{record.digest[:8]}  {size_text(record.size)}  {age_text(time.time() - record.created)}" if record is not None else "never made"
    )
    said = status if standing.status == FRESH or record is None else f"{status} (last result shown)"
    more = ["uses accepted"] if standing.uses_accepted else []
    more += ["made from old inputs"] if standing.stale_inputs else []
    return Box(standing.name, (standing.name, made, ", ".join([said, *more])), status)


def of_results(found: Sequence[Artifact]) -> Picture:
    """Results, and edges from every one to what was made from it."""
    keys = {artifact.key for artifact in found}
    edges = [(parent, artifact.key) for artifact in found for parent in artifact.parents if parent in keys]
    return Picture(tuple(_artifact(artifact) for artifact in found), tuple(edges))


def _artifact(artifact: Artifact) -> Box:
    states = artifact.states
    worst = next((state for state in (DAMAGED, GONE, "accepted") if state in states), states[0])
    age = age_text(artifact.age) if artifact.record is not None else "?"
    return Box(artifact.key, (artifact.node, f"{artifact.key[:8]}  {size_text(artifact.size)}  {age}", ", ".join(states)), worst)
