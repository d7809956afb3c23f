"""Parity of the frozen feature extractors: 2-D ResNets and the 3-D ResNet family, from a case's configuration."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from models.backbones import resnet2d, resnet3d
from tests.parity.case import Case, handles

MEAN_2D = np.array([0.485, 0.456, 0.406])
MEAN_2020 = np.array([0.4345, 0.4051, 0.3775], np.float32)
STD_2020 = np.array([0.2768, 0.2713, 0.2737], np.float32)


@handles("resnet18_2d*", "resnet34_2d*", "resnet50_2d*", "resnet101_2d*")
def appearance(case: Case) -> dict[str, Any]:
    """2-D ResNet: the pooled feature and the logits of normalised frames."""
    make = getattr(resnet2d, case.config["name"])
    net = case.fill(make(n_classes=case.config.get("num_classes", 1000))).eval()
    frames = case.inputs["frames"].transpose(0, 2, 3, 1)
    std = np.array(case.meta.get("std", [0.229, 0.224, 0.224]))
    x = torch.from_numpy(((frames / 255.0 - MEAN_2D) / std).astype(np.float32).transpose(0, 3, 1, 2).copy())
    with torch.inference_mode():
        last = net.forward_features(x)
        return {"feature": net.pool(last), "logits": net.forward_head(last)}


@handles("resnext*_3d_*", "resnext3d_*", "resnet*_3d_*", "r3d*", "wide_resnet*_3d*", "r2p1d*")
def motion(case: Case) -> dict[str, Any]:
    """3-D network: the map after each stage (shape, statistics, a slice), the pooled feature and the output."""
    net = case.fill(build(case)).eval()
    x = _clip(case)
    outputs: dict[str, Any] = {}
    with torch.inference_mode():
        maps = net.stages(x)
        last = maps["layer4"]
        outputs["feature"] = net.pool(last)
        outputs["output"] = net.forward_head(last)
    for name, value in maps.items():
        outputs.update(_summary(name, value.numpy()))
    return outputs


def build(case: Case) -> resnet3d.ResNet3D:
    """The network of a case: the 2020 layout names its depth ``model_depth``, the 2018 one ``depth`` or ``layers``."""
    config = {key: value for key, value in case.config.items() if key not in ("block", "bottleneck")}
    renamed = {"num_classes": "n_classes", "shortcut_type": "shortcut", "model_depth": "depth"}
    options = {renamed.get(key, key): value for key, value in config.items()}
    options.setdefault("depth", 50)
    block = str(case.config.get("block", ""))
    if "model_depth" in config:
        if "k" in config:
            return resnet3d.wide_resnet_2020(**options)
        return resnet3d.resnet_2020(**options, factorised="conv1_s.weight" in case.meta["state"])
    if "cardinality" in config or "ResNeXt" in block:
        return resnet3d.resnext_2018(**options)
    if "k" in config or "Wide" in block:
        return resnet3d.wide_resnet_2018(**options)
    if block:
        options["depth"] = 18 if "Basic" in block else 50
    return resnet3d.resnet_2018(**options)


def _clip(case: Case) -> torch.Tensor:
    clip = case.inputs["clip"].astype(np.float32)
    if "/255" in case.meta.get("input_transform", "").replace(" ", ""):
        channel = (1, 3, 1, 1, 1)
        clip = (clip / np.float32(255) - MEAN_2020.reshape(channel)) / STD_2020.reshape(channel)
    return torch.from_numpy(clip)


def _summary(name: str, value: np.ndarray) -> dict[str, np.ndarray]:
    wide = value.astype(np.float64)
    return {
        f"{name}.shape": np.array(value.shape),
        f"{name}.slice": value[0, :8, 0, :2, :2],
        f"{name}.mean_std_absmax": np.array([wide.mean(), wide.std(), np.abs(wide).max()]),
    }
