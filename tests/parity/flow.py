"""Parity of optical flow: FlowNet 2.0's operators, networks and models, and OpenCV's methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from models.experts import classical_flow
from models.experts import flownet2_models as models
from models.experts import flownet2_nets as nets
from models.experts import flownet2_operators as operators
from tests.parity.case import Case, Mismatch, handles

#: mean difference of two versions of OpenCV that the cases allow, in pixels
MEAN_PIXELS = 0.03
#: how far single pixels of TV-L1 may be from those of another build
FEW_PIXELS = 5.0


def leaves(case: Case, *names: str) -> list[torch.Tensor]:
    """The named inputs as tensors whose gradients are asked for."""
    return [torch.from_numpy(case.inputs[name].copy()).requires_grad_() for name in names]


@handles("op_correlation_*")
def correlation(case: Case) -> dict[str, Any]:
    """Forward, and the gradients of sum(out * grad_out)."""
    first, second = leaves(case, "input1", "input2")
    names = {"pad_size": "pad", "kernel_size": "kernel"}
    options = {names.get(key, key): int(value) for key, value in case.config.items() if key != "corr_multiply"}
    out = operators.correlation(first, second, **options)
    out.backward(torch.from_numpy(case.inputs["grad_out"]))
    return {"out": out, "grad_input1": first.grad, "grad_input2": second.grad}


@handles("op_resample2d*")
def resample2d(case: Case) -> dict[str, Any]:
    """Bilinear with gradients, and the nearest pixel."""
    image, flow = leaves(case, "image", "flow")
    bilinear = bool(case.config.get("bilinear", True))
    operators.resample2d(image, flow, bilinear).backward(torch.from_numpy(case.inputs["grad_out"]))
    with torch.inference_mode():  # another way than the one with gradients
        out, nearest = operators.resample2d(image, flow, bilinear), operators.resample2d(image, flow, bilinear=False)
    return {"out": out, "grad_image": image.grad, "grad_flow": flow.grad, "out_nearest": nearest}


@handles("op_channelnorm*")
def channelnorm(case: Case) -> dict[str, Any]:
    """Forward and gradient."""
    (x,) = leaves(case, "x")
    out = operators.channelnorm(x)
    out.backward(torch.from_numpy(case.inputs["grad_out"]))
    return {"out": out, "grad_x": x.grad}


#: case's class -> our network; the names of its outputs
NETWORKS = {"FlowNetC": nets.FlowNetC, "FlowNetS": nets.FlowNetS, "FlowNetSD": nets.FlowNetSD, "FlowNetFusion": nets.FlowNetFusion}


@handles("net_flownet*")
def network(case: Case) -> dict[str, Any]:
    """A bare network on a normalised input: every scale, or the finest."""
    make = NETWORKS[case.meta["source"].rpartition(":")[2]]
    options = {"input_channels": int(case.config["input_channels"])} if "input_channels" in case.config else {}
    net = case.fill(make(batch_norm=bool(case.config.get("batchNorm")), **options))
    net.train(str(case.meta.get("mode", "eval")).startswith("train"))
    with torch.inference_mode():
        flows = net(torch.from_numpy(case.inputs["x"]))
    return {"flow0": flows} if isinstance(flows, torch.Tensor) else {f"flow{n}": flow for n, flow in enumerate(flows, 2)}


@handles("flownet2*")
def model(case: Case) -> dict[str, Any]:
    """A whole model on pairs of frames, as published and as it is computed here, and what its networks make on the way."""
    name = case.meta["what"].split()[0]
    net = case.fill(getattr(models, name)(batch_norm=bool(case.config.get("batchNorm")))).eval()
    net.div_flow, net.rgb_max = float(case.config.get("div_flow", 20.0)), float(case.config.get("rgb_max", 255.0))
    frames = case.inputs["frames"].astype(np.float32)
    outputs: dict[str, Any] = {}
    for part in ("flownetc", "flownets_1", "flownets_2", "flownets_d"):
        if hasattr(net, part):
            finest = getattr(net, part).predict_flow2
            finest.register_forward_hook(lambda _, __, flow, part=part: outputs.update({f"mid_{part}": flow}))
    with torch.inference_mode():
        outputs["flow"] = net(torch.from_numpy(frames.transpose(0, 4, 1, 2, 3).copy()))
    return outputs


@handles("tvl1_opencv*")
def opencv_flow(case: Case) -> dict[str, Any]:
    """OpenCV's flows of a grey pair, of two versions: the nearer one counts, the other is not asked for. As the case says, it counts on
    average over the pixels, and single ones may be a few pixels away."""
    first, second = case.inputs["a"], case.inputs["b"]
    got = {
        "tvl1": classical_flow.tvl1()(first, second),
        "dis_medium": classical_flow.dis()(first, second),
        "farneback_denseflow": classical_flow.farneback(classical_flow.DENSE_FLOW)(first, second),
        "farneback_mmaction": classical_flow.farneback(classical_flow.MMACTION2)(first, second),
    }
    outputs: dict[str, Any] = {}
    for name, flow in got.items():
        versions = [key for key in case.outputs if key == name or key.startswith(f"{name}_cv")]
        away = {key: float(np.abs(flow - case.outputs[key]).mean()) for key in versions}
        nearest = min(away, key=lambda key: away[key])
        if not away[nearest] < MEAN_PIXELS:
            raise Mismatch(f"out.{nearest}: {away[nearest]:.3f} px away on average, {MEAN_PIXELS} are allowed")
        for key in versions:
            if key != nearest:
                case.arrays.pop(f"out.{key}")
        case.allow(nearest, absolute=FEW_PIXELS)
        outputs[nearest] = flow
    return outputs
