"""Reading weight files safely, and working out which 3-D network a published checkpoint holds.

Nothing is unpickled beyond tensors and plain containers: ``.safetensors``, or ``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cache.errors import DataError
from models.backbones import resnet3d

State = dict[str, Tensor]


def read_state(path: Path) -> State:
    """Return the state dict of a weight file.

    Accepts a bare state dict or a dict with ``state_dict``; strips one leading ``module.`` (saved from DataParallel).
    Raises DataError if the file is not there, holds anything but tensors, or is damaged.
    """
    if not path.is_file():
        raise DataError(f"no weights file {path}", hint="kdpipe never downloads weights: fetch the file and give its path")
    try:
        if path.suffix == ".safetensors":
            loaded: Any = load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(
            f"{path} is not a weights file that can be read safely: {str(error).splitlines()[0]}",
            hint="safetensors, or a torch file of tensors alone (torch.save of a state_dict)",
        ) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise DataError(f"{path} holds no state dict", hint="expected name -> tensor, or a dict with the key 'state_dict'")
    return {name.removeprefix("module."): value for name, value in loaded.items()}


def load_into(net: nn.Module, state: Mapping[str, Tensor], source: str) -> nn.Module:
    """Load ``state`` into ``net`` strictly, but for ``num_batches_tracked``, which files older than PyTorch 0.4.1 lack.

    Floating-point entries are converted to float32. Raises DataError naming what is missing, unexpected or misshapen.
    """
    own = net.state_dict()
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in own]
    misshapen = [name for name in own if name in state and own[name].shape != state[name].shape]
    problems = (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
    told = [f"{len(names)} {word} (first: {names[0]})" for word, names in problems if names]
    if told:
        hint = "is it the right backbone?"
        if any("downsample" in name for name in (*missing, *unexpected)):
            hint = "the shortcut type differs: entries named downsample belong to shortcut B, a file without them to shortcut A"
        raise DataError(f"{source} does not fit {type(net).__name__}: {'; '.join(told)}", hint=hint)
    net.load_state_dict({name: state[name].to(own[name].dtype) for name in own if name in state}, strict=False)
    return net


def infer_resnet3d(state: Mapping[str, Tensor]) -> resnet3d.ResNet3D:
    """Build the 3-D network that ``state`` belongs to, from names and shapes alone, with fresh weights.

    Block type, blocks per stage, widths, cardinality, shortcut, stem and classes are read off. What leaves no trace (pooling
    window, ``conv1_t_stride``, ``no_max_pool``) takes the usual value; global pooling equals the 2018 window for nominal clips.
    Raises DataError if it is no network of the family.
    """
    try:
        return _infer(state)
    except KeyError as error:
        raise DataError(f"not a 3-D ResNet checkpoint: no entry {error.args[0]!r}", hint="known: ResNet, wide, ResNeXt, R(2+1)D") from error


def _infer(state: Mapping[str, Tensor]) -> resnet3d.ResNet3D:
    factorised = "conv1_s.weight" in state
    stem = state["conv1_s.weight" if factorised else "conv1.weight"]
    stem_out = state["conv1_t.weight"] if factorised else stem
    bottleneck = "layer1.0.conv3.weight" in state
    options: dict[str, Any] = {
        "stem": stem_out.shape[0],
        "shortcut": "B" if "layer2.0.downsample.0.weight" in state else "A",
        "n_classes": state["fc.weight"].shape[0],
        "fc_inputs": state["fc.weight"].shape[1],
        "n_input_channels": stem.shape[1],
        "conv1_t_size": stem_out.shape[2],
        "factorised": factorised,
    }
    layers = [1 + max(int(m[1]) for name in state if (m := re.match(rf"{stage}\.(\d+)\.", name))) for stage in resnet3d.STAGES]
    block: Any
    if not bottleneck:
        name = "layer{}.0.conv1_t.weight" if factorised else "layer{}.0.conv1.weight"
        planes = [state[name.format(i)].shape[0] for i in (1, 2, 3, 4)]
        block, expansion = (resnet3d.FactorisedBasic if factorised else resnet3d.Basic), 1
    else:
        mids = [state[f"layer{i}.0.conv1.weight"].shape[0] for i in (1, 2, 3, 4)]
        outputs = [state[f"layer{i}.0.conv3.weight"].shape[0] for i in (1, 2, 3, 4)]
        groups = 1 if factorised else mids[0] // state["layer1.0.conv2.weight"].shape[1]
        if groups > 1:
            expansion = resnet3d.ResNeXtBottleneck.expansion
            planes = [width // expansion for width in outputs]

            def block(*arguments: Any) -> nn.Module:
                return resnet3d.ResNeXtBottleneck(*arguments, cardinality=groups)
        else:
            expansion, planes = outputs[0] // mids[0], mids
            plain = resnet3d.WideBottleneck if expansion == 2 else resnet3d.Bottleneck
            block = resnet3d.FactorisedBottleneck if factorised else plain
    return resnet3d.ResNet3D(block, layers, planes, expansion=expansion, **options)
