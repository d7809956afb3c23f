"""Parameters of this system that cannot go together, said before anything runs."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cache.errors import ConfigError
from cache.stage import Node
from systems.xkd.listed import ids_of, listed, require_single


def check(nodes: Mapping[str, Node]) -> None:
    """Raise ConfigError for what cannot be made, with the key to change."""
    for node in nodes.values():
        params: Any = node.params
        section = ".".join(node.name.split(".")[:2])
        if node.stage.name == "pretrain":
            for what, hint in (*_sizes(params), *_source(node, params)):
                raise ConfigError(f"{section}: {what}", hint=hint)
            _check_samples(section, node, nodes)
        elif node.stage.name in ("encode", "linear", "finetune"):
            _check_sides(section, node, nodes)


def check_index(nodes: Mapping[str, Node], index: Path) -> None:
    """Raise ConfigError or DataError for splits that the index does not have, and for an SVM of files that have several classes."""
    ids, classes = (functools.cache(functools.partial(read, index)) for read in (ids_of, listed))
    for node in nodes.values():
        params: Any = node.params
        if "index" not in node.reads:
            continue
        if node.stage.name == "pretrain":
            ids(params.split)
        elif node.stage.name == "encode":
            ids(params.train), ids(params.test)
        elif node.stage.name in ("linear", "finetune"):
            classes(params.train), classes(params.test)
        elif node.stage.name == "evaluate":
            classes(params.test)
        elif node.stage.name == "svm" and node.reads["features"] in nodes:
            encode: Any = nodes[node.reads["features"]].params
            require_single(classes(encode.train))


def _sizes(params: Any) -> Iterator[tuple[str, str]]:
    """Sizes that do not fit one another."""
    views = params.views
    whole = [
        ("frames", views.frames, "cuboid", params.cuboid),
        ("size", views.size, "patch", params.patch),
        ("bands", views.bands, "patch_bands", params.patch_bands),
        ("width", params.width, "heads", params.heads),
        ("decoder_width", params.decoder_width, "decoder_heads", params.decoder_heads),
    ]
    tied = params.learns in ("full", "kd", "align") and not params.taken
    if tied:
        whole += [("local_frames", views.local_frames, "cuboid", params.cuboid), ("local_size", views.local_size, "patch", params.patch)]
    for name, value, part, size in whole:
        if value % size:
            yield f"{name} = {value} is no multiple of {part} = {size}", f"--set pretrain.{name}={max(value // size, 1) * size}"
    columns = [("of a clip", views.columns), *([("of a local view", views.local_columns)] if tied else [])]
    for what, count in columns:
        if count % params.patch_columns:
            hint = "--set pretrain.hop=..., pretrain.patch_columns=...: there are 1 + samples // hop columns"
            yield f"the log-mel {what} has {count} columns, no multiple of patch_columns = {params.patch_columns}", hint
    if tied and views.local_frames > views.frames:
        yield f"local clips have {views.local_frames} frames, and clips {views.frames}", f"--set pretrain.local_frames={views.frames}"
    if tied and params.switch("teacher_view") == "index1" and 0 in (params.local_audio_views, params.local_video_views):
        yield "teachers see the first local view, and there is none", "--set pretrain.teacher_view=global"
    if views.samples <= views.window // 2:
        yield f"a clip has {views.samples} samples, too few for a window of {views.window}", "--set pretrain.window=..."


def _source(node: Node, params: Any) -> Iterator[tuple[str, str]]:
    for name in ("video_temperature", "audio_temperature"):
        if len(getattr(params, name)) not in (0, 2):
            yield f"{name} is two numbers, at the start and at the end", f"--set pretrain.{name}=[0.1,0.1]"
    if params.learns in ("recon", "random"):
        return
    if params.taken and params.learns != "full":
        yield "a file does not say what it learnt from", "take it as pretrain.full, and --set graph.variants=[full]"


def _check_samples(section: str, node: Node, nodes: Mapping[str, Node]) -> None:
    """What is sampled is at the rates that the networks are for."""
    for alias, name, own in (("frames", "fps", "fps"), ("sound", "audio_rate", "rate")):
        sample = nodes.get(node.reads.get(alias, ""))
        if sample is not None and getattr(sample.params, name) != getattr(node.params, own):
            found, wanted = getattr(sample.params, name), getattr(node.params, own)
            what = f"{section}.{own} = {wanted:g}, and {sample.name} keeps {found:g} a second"
            raise ConfigError(what, hint=f"--set {sample.name}.{name}={wanted:g}")


def _check_sides(section: str, node: Node, nodes: Mapping[str, Node]) -> None:
    """An encoder alone, taken from a file, is asked for its own modality only."""
    pretrain = nodes.get(node.reads["pretrain"])
    taken: Any = None if pretrain is None else pretrain.params
    if taken is None or not (taken.video_checkpoint or taken.audio_checkpoint):
        return
    for modality in getattr(node.params, "modalities", None) or (node.params.modality,):
        if not getattr(taken, f"{modality}_checkpoint"):
            what = f"{section} asks for the encoder of {modality}, and pretrain.{taken.learns} takes one without it"
            raise ConfigError(what, hint=f"--set pretrain.{taken.learns}.{modality}_checkpoint=FILE, or leave it out of graph.modalities")
