"""The ``dump`` stage of the teacher: the fused features of every few-shot video, once (spec A, stage 6).

A row of the item set stands for the rows of all modalities that it is made of; the set, for the teacher's weights and the switches.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import torch

from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.litemkd import dumped
from systems.litemkd.dump import assemble, compute
from systems.litemkd.teacher import open_dumps
from systems.litemkd.trained import read
from systems.litemkd.videos import PARTS, listed, note


def run(ctx: Context) -> None:
    """Compute the rows that are missing, then write all in the order of the index."""
    params = ctx.params
    network, about = read(ctx.inputs["teacher"], ctx.device)
    network.shifts = dataclasses.replace(network.shifts, flow_dump=params.switch("flow_dump"), plain_dump=params.switch("plain_dump"))
    make_deterministic(0, threads=params.threads)
    dumps = open_dumps(ctx)
    made_of = {modality: dumped.made_of(ctx.inputs[modality]) for modality in params.modalities}
    videos = listed(ctx.inputs["index"], *PARTS)
    there = set.intersection(*(set(rows) for rows in made_of.values()))
    parts = {v.name: [f"{modality} {made_of[modality][v.name][1]}" for modality in params.modalities] for v in videos if v.name in there}
    wanted = {id: hashlib.sha256("\n".join(part).encode()).hexdigest() for id, part in parts.items()}

    def features(id: str) -> dumped.FloatArray:
        with torch.inference_mode():
            clips = [dump.features([id]).to(ctx.device) for dump in dumps]
            return np.asarray(network.fuse(clips, "dump")[0].cpu().numpy())

    compute(ctx, ((key, lambda id=id: features(id)) for id, key in wanted.items()), len(wanted))
    note(ctx.ledger, videos, there)
    said = {"modality": "fused", "modalities": params.modalities, "variant": about["arguments"]["variant"]}
    said |= {"shifts": dataclasses.asdict(network.shifts), "weights": about.get("checkpoint", "trained")}
    assemble(ctx, wanted, said)
