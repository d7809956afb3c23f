"""The weights of a network alone, under their own names, for code that builds the network itself."""

from __future__ import annotations

import copy
from pathlib import Path

from models.exported import Exportable, Run
from pipeline.export.torchscript import run_module


def write(leaving: Exportable, path: Path) -> None:
    """Write the weights of the trained network."""
    from safetensors.torch import save_file

    state = leaving.module.network.state_dict()
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in state.items()}, path)


def run(leaving: Exportable, path: Path) -> Run:
    """The network with the weights of a file in place of its own."""
    from safetensors.torch import load_file

    again = copy.deepcopy(leaving.module)
    for tensor in again.network.state_dict().values():
        tensor.zero_()
    again.network.load_state_dict(load_file(path))
    return run_module(again, leaving.inputs, leaving.outputs)
