"""Parameters of this system that cannot go together, said before anything runs and not after the teacher's training."""

from __future__ import annotations

from collections.abc import Mapping

from cache.errors import ConfigError
from cache.stage import Node

#: Policies of ``sample`` under which every video has equally many frames.
SAME_SHAPE = ("clips", "even")


def check(nodes: Mapping[str, Node]) -> None:
    """Raise ConfigError if videos differ in how many frames they have, or a student is compared with a teacher of another width."""
    for node in nodes.values():
        params = node.params
        if node.stage.name == "extract" and "sample" in node.reads:
            policy = nodes[node.reads["sample"]].params.policy
            if policy not in SAME_SHAPE:
                raise ConfigError(
                    f"sample.policy = {policy}: every video must have equally many frames for {node.name}",
                    hint=f"--set sample.policy={SAME_SHAPE[0]}, or {SAME_SHAPE[1]}",
                )
        if node.stage.name != "student" or params.kd == "none" or params.kd_projection != "none":
            continue
        width = nodes[f"teacher.{node.name.rpartition('.')[2]}"].params.module_dim  # a distilled student reads its dump, or itself
        if width != params.module_dim:
            raise ConfigError(
                f"student.kd: module_dim = {params.module_dim}, and teacher.module_dim = {width}: "
                "their features are compared channel by channel",
                hint=f"--set student.module_dim={width}, or --set student.kd.kd_projection=linear",
            )
