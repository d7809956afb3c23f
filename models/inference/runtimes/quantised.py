"""A model of OpenVINO whose convolutions compute in 8 bits: weights by output channel, inputs by their measured ranges.

Only numbers are put into the graph here (steps of weights and of inputs, as ``FakeQuantize``); OpenVINO's own passes then choose 8-bit
kernels, and keep between two convolutions what is in 8 bits already. What is no convolution stays in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from models.inference.ranges import Ranges

CONVOLUTIONS = {"Convolution": 1, "GroupConvolution": 2}  # type -> how many axes of its weights tell output channels apart
#: steps of an input, and of weights: symmetric ones leave the 256th out
INPUT_STEPS, WEIGHT_STEPS = 256, 255


def quantise(model: Any, ranges: Ranges, prefix: str) -> None:
    """Put the steps into ``model``, in place; ``prefix`` is what comes before a module's name in the names of its operations.

    Raises DataError for a convolution whose range was not measured.
    """
    done: set[Any] = set()
    for operation, name in list(_convolutions(model, prefix)):
        if name not in ranges:
            raise DataError(f"the range of the input of {name} was not measured", hint="precision=float32 needs no ranges")
        source = operation.input(0).get_source_output()
        place = (source.get_node().get_friendly_name(), source.get_index())
        if place not in done and source.get_node().get_type_name() != "FakeQuantize":
            done.add(place)
            _quantise_input(source, *ranges[name])
        _quantise_weights(operation.input(1), CONVOLUTIONS[operation.get_type_name()])
    model.validate_nodes_and_infer_types()


def _convolutions(model: Any, prefix: str) -> Iterator[tuple[Any, str]]:
    """Every convolution in running order, and its module's name."""
    for operation in model.get_ordered_ops():
        if operation.get_type_name() in CONVOLUTIONS:
            yield operation, operation.get_friendly_name().partition("/")[0].removeprefix(prefix)


def _quantise_input(source: Any, least: float, largest: float) -> None:
    """For all who read it: of two that add and convolve it, both take the 8 bits."""
    if least >= 0:
        low, high = 0.0, largest
    else:
        bound = max(-least, largest)
        low, high = -bound * 128 / 127, bound
    readers = list(source.get_target_inputs())
    steps = _steps(source, np.array(low, np.float32), np.array(high if high > low else low + 1, np.float32), INPUT_STEPS)
    for reader in readers:
        reader.replace_source_output(steps)


def _quantise_weights(weights: Any, axes: int) -> None:
    source = weights.get_source_output()
    node = source.get_node()
    while node.get_type_name() != "Constant":  # weights that are reshaped into groups
        node = node.input_value(0).get_node()
    values = np.asarray(node.data).reshape(tuple(source.get_shape()))
    bound = np.maximum(np.abs(values).max(axis=tuple(range(axes, values.ndim)), keepdims=True), 1e-12).astype(np.float32)
    weights.replace_source_output(_steps(source, -bound, bound, WEIGHT_STEPS))


def _steps(source: Any, low: npt.NDArray[np.float32], high: npt.NDArray[np.float32], count: int) -> Any:
    from openvino import opset13

    bounds = [opset13.constant(bound) for bound in (low, high, low, high)]
    return opset13.fake_quantize(source, *bounds, count).output(0)
