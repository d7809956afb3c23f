"""A captured network as TorchScript: its operations by name, so that whoever loads it needs torch and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.exported import Array, Feed, Port, Run

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def write(program: ExportedProgram, path: Path) -> None:
    """Write the network. The sizes of inputs stay what they are when it runs."""
    import torch
    from torch import fx

    module: Any = program.module()
    graph = module.graph
    graph.set_codegen(fx.graph.CodeGen())  # plain arguments and a tuple, instead of a tree of them
    for node in list(graph.nodes):
        if node.op == "output":
            node.args = (tuple(node.args[0]),)
        elif node.op == "call_module" or (node.op == "call_function" and "assert" in str(node.target)):
            graph.erase_node(node)  # checks of sizes
        elif node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
            _named(node, node.target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made: Any = torch.jit.script(fx.GraphModule(module, graph))
        made.save(str(path))


def _named(node: Any, overload: Any) -> None:
    """An operation by its name, of which TorchScript finds the right form."""
    if overload._schema.name == "aten::sym_size":
        node.op, node.target = "call_method", "size"
    else:
        node.target = overload.overloadpacket


def run(path: Path, inputs: Sequence[Port], outputs: Sequence[Port]) -> Run:
    """The network of a file."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load: Any = torch.jit.load
        return run_module(load(str(path)), inputs, outputs)


def run_module(module: Any, inputs: Sequence[Port], outputs: Sequence[Port]) -> Run:
    """A network as torch runs it."""
    import torch

    def answer(feed: Feed) -> Mapping[str, Array]:
        with torch.no_grad():
            found = module(*(torch.from_numpy(feed[port.name]) for port in inputs))
        return {port.name: one.numpy() for port, one in zip(outputs, found, strict=True)}

    return answer
