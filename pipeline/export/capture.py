"""A network as a graph of plain operations whose batch may have any size: what every format but safetensors is made of."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from cache.errors import KdpipeError
from models.exported import Exportable

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def captured(leaving: Exportable) -> ExportedProgram:
    """The graph. Raises KdpipeError for a network that cannot be captured."""
    import torch

    axes = {name for port in leaving.inputs for name in port.axes if isinstance(name, str)}
    sizes: dict[str, Any] = {name: torch.export.Dim(name, min=1) for name in axes}
    example = tuple(torch.from_numpy(leaving.rows[0][port.name]) for port in leaving.inputs)
    shapes = tuple({place: sizes[name] for place, name in enumerate(port.axes) if isinstance(name, str)} for port in leaving.inputs)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(leaving.module, example, dynamic_shapes=shapes, strict=leaving.asks_len)
    except (RuntimeError, ValueError, torch._dynamo.exc.TorchDynamoException) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise KdpipeError(f"the network cannot be captured as a graph: {first}") from error
