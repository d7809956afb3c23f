"""The ``dump`` stage: what the teacher shows to the students, computed once.

Writes ``fused.h5`` with a group for ``train`` and one for ``val``: ``fused`` float32 or float16 (n,C,d), ``logits`` (n,A) if they
were asked for, ``question_ids`` int64 (n,), in the order of the question file; questions whose video was lost have no row.
``dump.json`` says what it is.
The teacher is in eval mode and the features are not augmented, so each target is a constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from cache.json_files import write_json
from cache.stage import Context
from models.training.artifact import read_network
from models.training.determinism import make_deterministic
from systems.videoqa.data import Features, Split
from systems.videoqa.model import DualVGR
from systems.videoqa.train import answer

SPLITS = ("train", "val")


def run(ctx: Context) -> None:
    """Compute and write the targets; a video's questions go through the teacher together, so that it is encoded once."""
    import h5py

    params = ctx.params
    make_deterministic(0, threads=params.threads)
    teacher, about = read_network(ctx.inputs["teacher"], DualVGR, ctx.device)
    features = Features(ctx.inputs["appearance"], ctx.inputs["motion"], memory_gb=params.memory_gb)
    splits = [Split(ctx.inputs["questions"], name, features) for name in SPLITS]
    with h5py.File(ctx.out / "fused.h5", "w") as file, ctx.progress("dump", total=sum(map(len, splits))) as bar:
        for split in splits:
            group = file.create_group(split.name)
            group.create_dataset("question_ids", data=split.question_ids.numpy().astype("<i8"), track_times=False)
            shapes = {"fused": (features.clips, about["arguments"]["module_dim"])}
            if params.logits:
                shapes["logits"] = (about["arguments"]["answer_vocab_size"],)
            kind = "<f4" if params.precision == "float32" else "<f2"
            rows = {
                name: group.create_dataset(
                    name, shape=(len(split), *shape), dtype=kind, chunks=(1, *shape), fletcher32=True, track_times=False
                )
                for name, shape in shapes.items()
            }
            _fill(rows, teacher, split, params.batch_size, ctx.device, bar)
    record = {"precision": params.precision, "teacher_seed": about["seed"], "questions": {split.name: len(split) for split in splits}}
    write_json(ctx.out / "dump.json", record)


@torch.no_grad()
def _fill(rows: Mapping[str, Any], teacher: DualVGR, split: Split, batch_size: int, device: str, bar: Any) -> None:
    for batch in split.by_video(batch_size):
        out = answer(teacher, split.batch(batch, device))
        order = np.argsort(batch.numpy())  # h5py wants increasing indices
        for name, dataset in rows.items():
            dataset[batch.numpy()[order]] = getattr(out, name).cpu().numpy()[order]
        bar.step(len(batch))
