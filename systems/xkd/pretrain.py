"""The ``pretrain`` stage: encoders that learnt from pictures and sound without labels, random ones, or those of published files.

Writes what :mod:`systems.xkd.trained` says. Clips that lack picture or sound are named in the ledger.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cache.digest import digest_file
from cache.errors import DataError
from cache.stage import Context
from models.backbones.published import read_raw, read_state
from models.training.determinism import make_deterministic
from models.training.result import Result
from systems.xkd import published
from systems.xkd.blocks import Width
from systems.xkd.encoder import Encoder
from systems.xkd.listed import ids_of, present
from systems.xkd.patches import Audio, Geometry, Video
from systems.xkd.recordings import Recordings
from systems.xkd.trained import PREFIX, Encoders, arguments, write
from systems.xkd.training import build, kept, train


def run(ctx: Context) -> None:
    """Train the encoders, or take or make them."""
    params = ctx.params
    make_deterministic(params.seed, threads=params.threads)
    if params.taken:
        taken(ctx)
    elif params.learns == "random":
        encoders = kept(build(params))
        write(ctx, Result(weights(encoders), 0, []), list(encoders.sides()))
    else:
        listed = ids_of(ctx.inputs["index"], params.split)
        views = params.views
        kept_at = {"fps": views.fps, "rate": views.rate, "short": views.size, "cache_mb": params.cache_mb}
        recordings = Recordings(ctx.inputs, ctx.input_items, ("video", "audio"), **kept_at)
        ids = present(listed, set(recordings.ids), ctx.ledger, {id: recordings.lacking(id) for id in listed})
        net = build(params).to(ctx.device)
        result = train(ctx, net, ids, recordings)
        about = {"split": params.split, "clips": {"listed": len(listed), "trained_on": len(ids)}}
        write(ctx, result, list(published.SIDES), **about)


def weights(encoders: Encoders) -> dict[str, Any]:
    """The entries of some encoders, on the CPU."""
    return {name: value.detach().cpu() for name, value in encoders.state_dict().items()}


def taken(ctx: Context) -> None:
    """Write the encoders of published files as they are, strictly; their sha256 is in the key and in ``model.json``."""
    params, found = ctx.params, {}
    if "checkpoint" in ctx.files:
        path = ctx.files["checkpoint"]
        found = kept(published.load(build(params), read_raw(path, ("model",)).entries, path.name)).sides()
    else:
        for modality, prefix in PREFIX.items():
            if f"{modality}_checkpoint" in ctx.files:
                found[f"{prefix}_teacher"] = encoder(ctx, modality, ctx.files[f"{modality}_checkpoint"])
    files = {name: {"file": path.name, "sha256": digest_file(path)} for name, path in ctx.files.items() if name.endswith("checkpoint")}
    encoders = Encoders.of(found)
    write(ctx, Result(weights(encoders), 0, []), list(found), checkpoint=files)


def encoder(ctx: Context, modality: str, path: Path) -> Encoder:
    """The encoder of a published file, of the sizes that the parameters say. Raises DataError if they are others."""
    own = arguments(ctx.params, ())
    geometry: Geometry = Video(**own["video"]) if modality == "video" else Audio(**own["audio"])
    found = published.encoder(read_state(path), path.name, geometry, ctx.params.heads)
    width = Width(**own["width"])
    if found.encoder.width != width:
        what = f"{path.name} has {found.encoder.width}, and the parameters say {width}"
        raise DataError(what, hint="--set pretrain.width=..., pretrain.depth=...")
    return found
