"""Which expert's network the entries of a weights file belong to: for ``kdpipe weights check`` and ``import``.

A file fits a network if names and shapes agree, all of them; networks are built on the meta device, so that looking costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cache.errors import DataError
from models.backbones.published import State, check_fit
from models.experts import flownet2_models
from models.experts.adabins import BINS_ENTRY, AdaBins, renamed
from models.experts.darknet import read_darknet
from models.experts.detectors import load_library
from models.experts.fastpose import FastPose
from models.experts.fastpose import options_of as options_of_fastpose
from models.experts.raft import NETWORKS as RAFTS
from models.experts.small_depth import SmallDepth
from models.experts.small_flow import SmallFlow
from models.experts.small_pose import SmallPose
from models.experts.yolov3_spp import YOLOv3SPP

#: entries of a file under our names -> the network that they are of
Make = Callable[[State], nn.Module]


def _of(network: Callable[[], nn.Module]) -> Make:
    return lambda state: network()


def _adabins(state: State) -> nn.Module:
    return AdaBins(len(state[BINS_ENTRY]))


def _library(name: str) -> Make:
    return lambda state: load_library(name, None)


_CSS = _of(flownet2_models.FlowNet2CSS)
#: expert or detector -> what builds its network; several have one network, and weights of their own
NETWORKS: Mapping[str, Make] = {
    "flownet2": _of(flownet2_models.FlowNet2),
    "flownet2-css": _CSS,
    "flownet2-css-ft-sd": _CSS,
    "flownet2-cs": _of(flownet2_models.FlowNet2CS),
    "flownet2-c": _of(flownet2_models.FlowNet2C),
    "flownet2-s": _of(flownet2_models.FlowNet2S),
    "flownet2-sd": _of(flownet2_models.FlowNet2SD),
    "raft-large": lambda state: RAFTS["raft-large"](weights=None),
    "raft-small": lambda state: RAFTS["raft-small"](weights=None),
    "small-flow": _of(SmallFlow),
    "adabins-nyu": _adabins,
    "adabins-kitti": _adabins,
    "small-depth": _of(SmallDepth),
    "alphapose-fastpose50": lambda state: FastPose(**options_of_fastpose(state)),
    "keypointrcnn": _library("keypointrcnn"),
    "small-pose": _of(SmallPose),
    "yolov3": _of(YOLOv3SPP),
    "fasterrcnn": _library("fasterrcnn"),
    "ssdlite": _library("ssdlite"),
}
#: an entry of each that the others before it lack: no network is built for a file without it
MARKS = {
    "flownet2": "flownetfusion.conv0.0.weight",
    "flownet2-css": "flownets_2.conv1.0.weight",
    "flownet2-css-ft-sd": "flownets_2.conv1.0.weight",
    "flownet2-cs": "flownets_1.conv1.0.weight",
    "flownet2-c": "conv_redir.0.weight",
    "flownet2-s": "upsampled_flow6_to_5.weight",
    "flownet2-sd": "inter_conv5.0.weight",
    "raft-large": "mask_predictor.conv.weight",
    "raft-small": "update_block.flow_head.conv1.weight",
    "small-flow": "level4.flow.weight",
    "adabins-nyu": "adaptive_bins_layer.regressor.0.weight",
    "adabins-kitti": "adaptive_bins_layer.regressor.0.weight",
    "alphapose-fastpose50": "preact.conv1.weight",
    "keypointrcnn": "roi_heads.keypoint_predictor.kps_score_lowres.weight",
    "fasterrcnn": "roi_heads.box_predictor.cls_score.weight",
    "ssdlite": "head.classification_head.module_list.0.1.weight",
}
#: under which further keys files keep a state dict: AdaBins' do
KEYS = ("model",)


def read_yolov3(path: Path) -> State:
    """The entries of a Darknet file, which has no names: it can be YOLOv3's only. Raises DataError if its length is another."""
    with torch.device("meta"):
        net = YOLOv3SPP()
    return read_darknet(net, path)


def under_our_names(name: str, entries: Mapping[str, Tensor]) -> State:
    """The entries of a file as the expert ``name`` calls them: beginnings that programs add are taken off."""
    if name.startswith("adabins"):
        return renamed(entries)
    return {key.removeprefix("module.").removeprefix("model."): value for key, value in entries.items()}


def fitting(name: str, entries: Mapping[str, Tensor], source: str) -> State:
    """The entries under the names of the network of ``name``. Raises DataError that says what does not fit."""
    state = under_our_names(name, entries)
    try:
        with torch.device("meta"):
            net = NETWORKS[name](state)
    except KeyError as error:
        raise DataError(f"{source} holds no {name}: it has no {error.args[0]}") from error
    check_fit(net, state, source)
    return state


def identify(entries: Mapping[str, Tensor]) -> str:
    """The first expert whose network the entries fit, "" if there is none."""
    for name in NETWORKS:
        if name in MARKS and MARKS[name] not in under_our_names(name, entries):
            continue
        try:
            fitting(name, entries, "")
        except DataError:
            continue
        return name
    return ""
