"""A captured network as an ONNX file, as 8-bit integers, and as onnxruntime runs it."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache.errors import ConfigError
from models.exported import Array, Exportable, Feed, Port, Run

if TYPE_CHECKING:
    from torch.export import ExportedProgram

OPSET = 20
#: What is kept as 8-bit integers: products with weights. Everything else stays float32.
QUANTISED = ["MatMul", "Gemm", "Conv"]


def write(leaving: Exportable, program: ExportedProgram, path: Path) -> None:
    """Write the network. Raises ConfigError without the packages that do it."""
    onnx = _package("onnx")
    _package("onnxscript")
    import torch

    for optimised in (True, False):  # the optimiser may leave a graph without an input that it made
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = torch.onnx.export(
                program,
                input_names=[port.name for port in leaving.inputs],
                output_names=[port.name for port in leaving.outputs],
                opset_version=OPSET,
                verbose=False,
                optimize=optimised,
            )
        assert made is not None
        made.save(str(path), external_data=False)
        proto = onnx.load(str(path))
        try:
            onnx.checker.check_model(proto)
            break
        except onnx.checker.ValidationError:
            if not optimised:
                raise
    _strip(proto.graph)
    _name_axes(proto.graph.input, leaving.inputs)
    _name_axes(proto.graph.output, leaving.outputs)
    onnx.save(proto, str(path))


def _strip(graph: Any) -> None:
    """Leave out what only tells where on this machine the code of each operation stands."""
    del graph.metadata_props[:]
    del graph.value_info[:]
    for one in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        one.ClearField("metadata_props")
        one.ClearField("doc_string")


def _name_axes(values: Iterable[Any], ports: Iterable[Port]) -> None:
    for value, port in zip(values, ports, strict=True):
        for size, axis in zip(value.type.tensor_type.shape.dim, port.axes, strict=True):
            if isinstance(axis, str):
                size.dim_param = axis


def quantise(source: Path, path: Path) -> None:
    """Write the same network with the weights of its products as 8-bit integers, whose other factors are quantised as it runs."""
    _package("onnx")
    quantization = _package("onnxruntime.quantization")
    logging.disable(logging.WARNING)  # it advises, on the root logger, what was done already
    try:
        quantization.quantize_dynamic(str(source), str(path), op_types_to_quantize=QUANTISED, weight_type=quantization.QuantType.QUInt8)
    finally:
        logging.disable(logging.NOTSET)


def run(path: Path, outputs: Iterable[Port]) -> Run:
    """The network of a file, on one thread of the CPU."""
    onnxruntime = _package("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [port.name for port in outputs]

    def answer(feed: Feed) -> Mapping[str, Array]:
        return dict(zip(names, session.run(names, dict(feed)), strict=True))

    return answer


def _package(name: str) -> Any:
    try:
        found = importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"ONNX files need the package {name.partition('.')[0]}", hint='pip install "kdpipe[export]"') from error
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    return found
