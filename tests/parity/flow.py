"""Parity of optical flow: FlowNet 2.0's operators, networks and models, and OpenCV's methods."""

from __future__ import annotations

from typing import Any

import torch

from models.experts import flownet2_operators as operators
from tests.parity.case import Case, handles


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
