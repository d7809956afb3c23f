"""The experts by name. Importing this module is light: an expert's module is imported when it is built.

An expert of the kind ``flow`` takes two frames, one of ``depth`` or ``skeleton`` one; :mod:`models.experts.running` says what comes out.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cache.errors import ConfigError, nearest

if TYPE_CHECKING:
    from models.experts.running import Expert, Setup


@dataclass(frozen=True)
class Entry:
    """One expert of the registry.

    kind:    what it makes: ``"flow"``, ``"depth"`` or ``"skeleton"``.
    factory: ``"module:function"`` below ``models.experts``; called with a :class:`models.experts.running.Setup` and ``options``.
    weights: the weights that it has if none are named; "" for one that has none (classical flow).
    network: it computes with torch: runtime, precision and device are its business.
    library: package whose arithmetic it is, "" if torch alone: its version is keyed.
    """

    name: str
    kind: str
    factory: str
    weights: str = ""
    network: bool = True
    library: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


def _flownet2(name: str, network: str) -> Entry:
    return Entry(name, "flow", "flownet2:expert", "published", options={"network": network})


def _raft(name: str, weights: str) -> Entry:
    return Entry(name, "flow", "raft:expert", weights, library="torchvision", options={"network": name})


def _opencv(name: str) -> Entry:
    return Entry(name, "flow", "classical_flow:expert", network=False, library="opencv-contrib-python-headless", options={"method": name})


_ALL: tuple[Entry, ...] = (
    _flownet2("flownet2", "FlowNet2"),
    _flownet2("flownet2-css", "FlowNet2CSS"),
    _flownet2("flownet2-css-ft-sd", "FlowNet2CSS"),
    _flownet2("flownet2-cs", "FlowNet2CS"),
    _flownet2("flownet2-c", "FlowNet2C"),
    _flownet2("flownet2-s", "FlowNet2S"),
    _flownet2("flownet2-sd", "FlowNet2SD"),
    _raft("raft-large", "c_t_skht_v2"),
    _raft("raft-small", "c_t_v2"),
    _opencv("tvl1"),
    _opencv("dis"),
    _opencv("farneback"),
    Entry("small-flow", "flow", "small_flow_expert:small", "world"),
    Entry("adabins-nyu", "depth", "adabins_expert:adabins", "nyu", options={"setting": "nyu"}),
    Entry("adabins-kitti", "depth", "adabins_expert:adabins", "kitti", options={"setting": "kitti"}),
    Entry("small-depth", "depth", "small_depth_expert:small", "world"),
    Entry("alphapose-fastpose50", "skeleton", "top_down:fastpose", "coco"),
    Entry("keypointrcnn", "skeleton", "keypoint_rcnn:keypointrcnn", "coco", library="torchvision"),
    Entry("rtmpose", "skeleton", "rtmpose:rtmpose", "body7-m", library="onnxruntime"),
    Entry("small-pose", "skeleton", "small_pose_people:small", "world"),
    Entry("results", "skeleton", "running:of_results", network=False),
)
EXPERTS: dict[str, Entry] = {entry.name: entry for entry in _ALL}
#: who can find people for the experts that see one at a time; :mod:`models.experts.weights` has their files
DETECTORS = ("yolov3", "fasterrcnn", "ssdlite")
#: experts and detectors that are called as their library has them: operation by operation, in float32
OF_LIBRARIES = ("keypointrcnn", "rtmpose", "fasterrcnn", "ssdlite")


def module_of(entry: Entry) -> str:
    """The module that :func:`build` imports for ``entry``: a stage that uses the registry names it for its fingerprint."""
    return "models.experts." + entry.factory.partition(":")[0]


def find(name: str, kind: str | None = None) -> Entry:
    """The entry of ``name``; a ConfigError names the nearest one if there is none, or if it is of another ``kind``."""
    entry = EXPERTS.get(name)
    known = [other for other, value in EXPERTS.items() if kind in (None, value.kind)]
    if entry is None:
        raise ConfigError(f"unknown expert {name!r}", hint=nearest(name, known))
    if kind is not None and entry.kind != kind:
        raise ConfigError(f"{name} is an expert for {entry.kind}, not for {kind}", hint="known: " + ", ".join(known))
    return entry


def build(name: str, setup: Setup) -> Expert:
    """Make an expert ready. Raises ConfigError or DataError for weights that do not fit, or a package that is not installed."""
    entry = find(name)
    module, _, function = entry.factory.partition(":")
    expert: Expert = getattr(importlib.import_module(f"models.experts.{module}"), function)(setup, **entry.options)
    return expert
