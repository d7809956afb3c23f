"""The ``dump`` stage: what the teacher says of every training video, computed once, in eval mode.

Writes ``targets.h5``: ``representation`` float16 (V,H), ``probabilities`` float16 (V,C) and ``ids`` (V,), in the order of the training
file. The teacher's artifact holds its normalisation and its view, and the key of this stage holds the teacher and the features: so
a target is never taken from other weights, other features, another normalisation or another mode.
"""

from __future__ import annotations

import torch

from cache.hdf5 import write_texts
from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.fewerframes.data import Partition, open_partition
from systems.fewerframes.trained import read_network


@torch.no_grad()
def run(ctx: Context) -> None:
    """Compute and write the targets, batch by batch."""
    import h5py

    params = ctx.params
    make_deterministic(0, threads=params.threads)
    network = read_network(ctx.inputs["teacher"], ctx.device)
    partition = Partition(open_partition(ctx.inputs["ingest"], "train"), network.view)
    with h5py.File(ctx.out / "targets.h5", "w") as file, ctx.progress("dump", total=len(partition)) as bar:
        write_texts(file, "ids", partition.ids)
        done = 0
        for places in partition.in_order(params.batch_size):
            out = network.predict(partition.batch(places, ctx.device))
            for name in ("representation", "probabilities"):
                values = getattr(out, name).half().cpu().numpy()
                if name not in file:
                    file.create_dataset(name, (len(partition), values.shape[1]), "<f2", track_times=False)
                file[name][done : done + len(values)] = values
            done += len(places)
            bar.step(len(places))
