"""Parity of the detection networks: boundary pooling, forwards on a clip, the head alone with its contrastive branch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from systems.gkd.detection.boundary_pooling import boundary_max_pooling
from systems.gkd.detection.losses import contrastive
from systems.gkd.detection.networks import Detector, Maps, weighted_by
from systems.gkd.detection.proposals import level_lengths
from systems.gkd.detection.pyramid import CoarsePyramid, Detections
from systems.gkd.detection.shape import Shape
from tests.parity.case import Case, handles
from tests.parity.i3d import after_fill, enlarge, recipe

HEAD = "coarse_pyramid_detection."
#: of gradients, as the specification has it (back-ends differ by less)
GRADIENTS = 1e-3
#: outputs of which a case has only what the boundary loss reads and a corner
ACTIVATIONS = ("start", "end", "start_loc_prop", "end_loc_prop", "start_conf_prop", "end_conf_prop")


def tensors(case: Case) -> dict[str, Tensor]:
    """The case's inputs."""
    return {name: torch.from_numpy(value) for name, value in case.inputs.items()}


def repeated(stored: np.ndarray, text: str) -> Tensor:
    """An input enlarged as ``text`` says: ``axes 2,3,4 x8``, or ``axes 2,3,4 by 4,2,2``."""
    for axes, times in re.findall(r"\baxes ((?:\d+,)+\d+) by ((?:\d+,)+\d+)", text):
        for axis, count in zip(axes.split(","), times.split(","), strict=True):
            stored = stored.repeat(int(count), axis=int(axis))
    return torch.from_numpy(enlarge(stored, text))


def shape_of(case: Case, prefix: str = "") -> tuple[str, Shape, bool]:
    """Kind, sizes, and whether there is attention, of the network whose state begins with ``prefix``."""
    state = {name.removeprefix(prefix): shape for name, shape in case.meta["state"].items() if name.startswith(prefix)}
    first = state["backbone._model.Conv3d_1a_7x7.conv3d.weight"]
    kind = "student" if first[2] == 1 else "teacher"
    return kind, sizes(case, state, first[1]), "deconv1.0.weight" in state


def sizes(case: Case, state: Mapping[str, Any], channels: int = 3) -> Shape:
    """Sizes that the state of a head has; the number of frames is in the configuration, or is as published."""
    levels = len({name.split(".")[2] for name in state if name.startswith(HEAD + "pyramids.")})
    width = state[HEAD + "pyramids.0.0.conv3d.weight"][0] / 512
    crop = 16 * state[HEAD + "pyramids.0.0.conv3d.weight"][3]
    return Shape(state[HEAD + "conf_head.conv1d.weight"][0], channels, case.config.get("frame_num", 256), crop, levels, width)


def summary(found: Detections, prefix: str = "") -> dict[str, Tensor]:
    """What the cases store of the head's outputs."""
    outputs: dict[str, Tensor] = {}
    for field in fields(found):
        value = getattr(found, field.name)
        if field.name in ACTIVATIONS:
            outputs[f"{field.name}.tanh_mean"] = value.tanh().mean(-1)
            outputs[f"{field.name}.head"] = value[0, :8, :16]
        else:
            outputs[field.name] = value
    return {prefix + name: value for name, value in outputs.items()}


@handles("det_boundary_max_pooling*")
def pooling(case: Case) -> dict[str, Any]:
    """Both gradients of the first input; the second has as many segments as steps, where they are one."""
    given, got = tensors(case), dict[str, Any]()
    for ending, where, gradients in (("", "", {"correct": "true", "published": "published"}), ("2", "_square", {"": "published"})):
        for name, gradient in gradients.items():
            x = given[f"x{ending}"].requires_grad_()
            pooled = boundary_max_pooling(x, given[f"segments{ending}"], gradient)
            (got["grad" + ("_" + name if name else where)],) = torch.autograd.grad(pooled, x, given[f"grad_out{ending}"])
            got["forward" + where] = pooled
    return got


@handles("det_*_forward")
def forward(case: Case) -> dict[str, Any]:
    """A clip through backbone, attention and head, on plain and on weighted maps."""
    kind, shape, attention = shape_of(case)
    net = Detector(kind, shape, attention=attention)
    assert isinstance(after_fill(case, case.fill(net)), Detector)
    net.eval()
    clip = repeated(case.inputs["a"], recipe(case, "a"))
    got: dict[str, Any] = {}
    with torch.inference_mode():
        maps = net.features(clip)
        for name, x in zip(("Mixed_4f", "Mixed_5c"), maps, strict=True):
            wide = x.numpy().astype(np.float64)
            got[f"{name}.stats"] = np.array([wide.mean(), wide.std(ddof=1), np.abs(wide).max(), wide.sum()])
            got[f"{name}.head"], got[f"{name}.tail"] = x[0, :4, 0, :4, :4], x[0, -4:, -1, -4:, -4:]
        got |= summary(net.detect(maps), "plain.")
        got |= {name.removeprefix("plain."): value for name, value in got.items()}
        if attention:
            weights = net.attention(maps)
            got |= {"att_4f": weights.map_4f, "att_5c": weights.map_5c}
            got |= summary(net.detect(weighted_by(maps, weights)), "attended.")
    if not attention:
        got["priors"] = got["priors"][None]  # plain AFSD has an axis of one more here
    return got


class Head(nn.Module):
    """The head under the name that it has in a whole network."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.coarse_pyramid_detection = CoarsePyramid(shape)


@handles("det_pyramid_ssl*")
def head(case: Case) -> dict[str, Any]:
    """The head on given maps; the contrastive branch on the same maps, with the gradients of both poolings."""
    shape = sizes(case, case.meta["state"])
    net = after_fill(case, case.fill(Head(shape))).eval()
    pyramid = net.get_submodule(HEAD[:-1])
    assert isinstance(pyramid, CoarsePyramid)
    maps = Maps(*(repeated(case.inputs[name], recipe(case, name)) for name in ("x4", "x5")))
    segments = torch.from_numpy(case.inputs["proposals"])[None]
    with torch.no_grad():
        got: dict[str, Any] = dict(summary(pyramid(*maps)))
        levels = pyramid.pyramid(*maps)
        finest = level_lengths(shape.frames, shape.levels)[:1]
        got["frame_level_head"] = pyramid.frame_level(levels)[0, :32]
        for name, tower, branch in (
            ("loc", pyramid.loc_tower, pyramid.loc_proposal_branch),
            ("conf", pyramid.conf_tower, pyramid.conf_proposal_branch),
        ):
            got[f"{name}_lr_head"] = branch.boundary(tower(levels[..., : finest[0]]), finest)[0, :32]
    for name, gradient in (("correct", "true"), ("published", "published")):
        pyramid.pooling_gradient = gradient
        net.zero_grad()
        triples = pyramid.contrast(*maps, segments)
        triplet = contrastive(triples)
        triplet.backward()
        got["triplet"] = triplet[None]
        got |= {f"{part}{i}": value for i, triple in enumerate(triples) for part, value in zip(PARTS, triple, strict=True)}
        given = {key: p.grad for key, p in net.named_parameters() if p.grad is not None}
        got[f"grad_norms_{name}"] = norms(given, re.findall(r'"(coarse_pyramid[^"]*)"', case.meta["notes"]))
        got |= {f"grad_{name}.{key}": value for key, value in given.items()}
    case.allow("grad*", relative=GRADIENTS)
    return got


PARTS = ("anchor", "positive", "negative")


def norms(gradients: Mapping[str, Tensor], names: Iterable[str]) -> np.ndarray:
    """Euclidean norms of gradients, in the order of ``names``."""
    return np.array([float(gradients[name].double().norm()) for name in names])
