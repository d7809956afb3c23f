"""Convolutions on a CPU: weights packed once for the processor, the sum and the activation that follow done on the way out.

Left to itself, PyTorch takes a convolution, a sum and an activation as three passes over maps that no cache holds, and lays the weights out
anew at every call. oneDNN, which does the work, knows better; the operations here are those that PyTorch's own compiler calls.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from models.inference.runtimes.activations import NONE, RELU, After, of_function, of_module

#: dimensions of a map, or of weights -> the layout that is fastest
LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}


def can_pack(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this processor and this build of PyTorch have the operations."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))


class Fused(nn.Module):
    """A convolution that is called with what is to be added and what comes last: ``after(convolution(x) + other)``.

    With ``other``, ``after`` is nothing or a ReLU, and the result takes the place of ``other``.
    """

    #: whether it can be called with ``other``
    adds = True


#: a convolution and the size of its input -> what takes its place, None for the usual
Special = Callable[[nn.Conv2d | nn.Conv3d, Sequence[int]], Fused | None]


def pack(net: nn.Module, example: Tensor, special: Special | None = None) -> nn.Module:
    """Return a module whose ``forward`` is ``net.forward_features``, made for inputs of the shape and type of ``example``.

    ``net`` is in evaluation mode and is used up: its convolutions are replaced. Sums and activations are drawn into them if the network
    can be traced; one that computes with shapes while it runs (I3D pads by them) has them packed and no more.
    """
    features = _Features(net)
    for name, size in _input_sizes(features, example).items():
        conv = features.get_submodule(name)
        if isinstance(conv, nn.ConvTranspose2d):
            if conv.groups == 1:
                features.set_submodule(name, PackedTransposed(conv, size))
            continue
        assert isinstance(conv, (nn.Conv2d, nn.Conv3d))
        other = special(conv, size) if special is not None else None
        if other is not None:
            features.set_submodule(name, other)
        elif conv.padding_mode == "zeros" and not isinstance(conv.padding, str):
            features.set_submodule(name, PackedConvolution(conv, size))
    try:
        graph = _Tracer().trace(features)
    except fx.proxy.TraceError:
        return features
    _fuse(graph, features)
    return fx.GraphModule(features, graph)


class PackedConvolution(Fused):
    """A 2-D or 3-D convolution of inputs of one size, by oneDNN."""

    def __init__(self, conv: nn.Conv2d | nn.Conv3d, size: Sequence[int]) -> None:
        super().__init__()
        self.kernel_size, self.stride = conv.kernel_size, conv.stride  # some networks pad by them
        self._how = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        weight = torch.ops.mkldnn._reorder_convolution_weight(conv.weight.detach(), *self._how, list(size))
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach(), persistent=False)

    def forward(self, x: Tensor, other: Tensor | None = None, after: After = NONE) -> Tensor:
        """See :class:`Fused`."""
        y: Tensor
        if other is None:
            y = torch.ops.mkldnn._convolution_pointwise(x, self.weight, self.bias, *self._how, after.name, list(after.numbers), after.way)
        else:
            last = None if after == NONE else after.name
            y = torch.ops.mkldnn._convolution_pointwise_.binary(other, x, self.weight, self.bias, *self._how, "add", 1.0, last, [], "")
        return y


class PackedTransposed(Fused):
    """A transposed 2-D convolution of inputs of one size, by oneDNN."""

    adds = False

    def __init__(self, conv: nn.ConvTranspose2d, size: Sequence[int]) -> None:
        super().__init__()
        self._how = (list(conv.padding), list(conv.output_padding), list(conv.stride), list(conv.dilation), conv.groups)
        weight = torch.ops.mkldnn._reorder_convolution_transpose_weight(conv.weight.detach(), *self._how, list(size))
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach(), persistent=False)

    def forward(self, x: Tensor, after: After = NONE) -> Tensor:
        """See :class:`Fused`."""
        how = (*self._how, after.name, list(after.numbers), after.way)
        y: Tensor = torch.ops.mkldnn._convolution_transpose_pointwise(x, self.weight, self.bias, *how)
        return y


#: modules whose output is new memory that nobody else knows
FRESH = (Fused, nn.MaxPool2d, nn.MaxPool3d)


class _Features(nn.Module):
    """The map before the pooling as ``forward``, which is what is traced."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net.forward_features(x)  # type: ignore[operator, no-any-return]


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Fused) or super().is_leaf_module(m, module_qualified_name)


def _input_sizes(features: nn.Module, example: Tensor) -> dict[str, Sequence[int]]:
    """Name of every convolution that is used -> the size of its input."""
    sizes: dict[str, Sequence[int]] = {}

    def watch(name: str, part: nn.Module) -> Any:
        return part.register_forward_pre_hook(lambda _, inputs: sizes.setdefault(name, inputs[0].shape) and None)

    kinds = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)
    hooks = [watch(name, part) for name, part in features.named_modules() if isinstance(part, kinds)]
    with torch.inference_mode():
        features(example)
    for hook in hooks:
        hook.remove()
    return sizes


def _fuse(graph: fx.Graph, root: nn.Module) -> None:
    """Draw sums and activations into the convolutions before them, each at its own place in the order."""
    place = {node: n for n, node in enumerate(graph.nodes)}

    def part(node: Any) -> nn.Module | None:
        return root.get_submodule(str(node.target)) if isinstance(node, fx.Node) and node.op == "call_module" else None

    def is_open(node: Any) -> bool:
        """A convolution whose output nothing looks at but the operation in question."""
        return isinstance(part(node), Fused) and len(node.users) == 1 and not node.kwargs

    def adds(conv: fx.Node) -> bool:
        fused = part(conv)
        return isinstance(fused, Fused) and fused.adds

    def is_new(node: Any) -> bool:
        """New memory that nobody else knows: of a part that makes such, or such a map times something (squeeze and excitation)."""
        excited = isinstance(node, fx.Node) and node.op == "call_function" and node.target is operator.mul
        return isinstance(part(node.args[0] if excited else node), FRESH)

    def is_spent(node: Any, conv: fx.Node) -> bool:
        """A map of its own that only convolutions before ``conv`` have looked at, besides the sum: it may be overwritten."""
        if not is_new(node) or place[node] >= place[conv]:
            return False
        readers = [user for user in node.users if user not in conv.users]
        return all(isinstance(part(reader), Fused) and place[reader] < place[conv] for reader in readers)

    def replace(old: fx.Node, conv: fx.Node, *others: fx.Node, after: After = NONE) -> None:
        with graph.inserting_before(conv):
            new = graph.call_module(str(conv.target), (*conv.args, *others), {} if after == NONE else {"after": after})
        place[new] = place[conv]
        old.replace_all_uses_with(new)
        graph.erase_node(old)
        graph.erase_node(conv)

    for node in list(graph.nodes):
        function = node.target if node.op == "call_function" else None
        after = of_module(part(node)) if function is None else of_function(function, node.args[1:], node.kwargs)
        if isinstance(part(node), nn.Identity):  # where a normalisation was
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
        elif after is not None:
            conv = node.args[0] if node.args else None
            if is_open(conv) and (len(conv.args) == 1 or after == RELU):  # of a sum, oneDNN knows no other
                replace(node, conv, after=after)
        elif function in (operator.add, operator.iadd, torch.add) and not node.kwargs:
            for conv, other in (node.args[::-1], node.args):
                if is_open(conv) and adds(conv) and len(conv.args) == 1 and is_spent(other, conv):
                    replace(node, conv, other)
                    break
    graph.lint()
