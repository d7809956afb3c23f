"""Reading weight files safely, and loading them strictly.

Nothing is unpickled beyond tensors and plain containers: ``.safetensors``, or ``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cache.errors import DataError

State = dict[str, Tensor]

#: keys under which checkpoints keep the state dict of their network
KEYS = ("state_dict", "model_state_dict")
#: how many names of a kind an error shows, and how much of what a library says
SHOWN = 5
LONGEST = 200
#: what the readers raise on files that are damaged, or hold more than tensors
UNREADABLE = (
    pickle.UnpicklingError,
    SafetensorError,
    struct.error,
    zipfile.BadZipFile,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Raw:
    """A weights file as it stands: its entries, the key that held them ("" for a bare state dict), and the other keys beside it."""

    entries: State
    key: str = ""
    others: tuple[str, ...] = ()


def read_raw(path: Path) -> Raw:
    """Read a weights file: a bare state dict, or a dict that holds one under ``state_dict`` or ``model_state_dict``.

    Raises DataError if the file is not there, holds anything but tensors, or is damaged.
    """
    if not path.is_file():
        raise DataError(f"no weights file {path}", hint="kdpipe never downloads weights: fetch the file and give its path")
    try:
        if path.suffix == ".safetensors":
            loaded: Any = load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{path} is not a weights file that can be read safely: {why if len(why) <= LONGEST else why[:LONGEST] + ' …'}",
            hint="safetensors, or a torch file of tensors alone (torch.save of a state_dict)",
        ) from error
    key, others = "", ()
    if isinstance(loaded, Mapping):
        key = next((name for name in KEYS if isinstance(loaded.get(name), Mapping)), "")
        if key:
            others = tuple(str(name) for name in loaded if name != key)
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise DataError(f"{path} holds no state dict", hint="expected name -> tensor, or a dict with the key 'state_dict'")
    return Raw({str(name): value for name, value in loaded.items()}, key, others)


def read_state(path: Path) -> State:
    """Return the state dict of a weight file; one leading ``module.`` (saved from DataParallel) is stripped.

    Raises DataError as :func:`read_raw`.
    """
    return {name.removeprefix("module."): value for name, value in read_raw(path).entries.items()}


def load_into(net: nn.Module, state: Mapping[str, Tensor], source: str) -> nn.Module:
    """Load ``state`` into ``net`` strictly, but for ``num_batches_tracked``, which files older than PyTorch 0.4.1 lack.

    Floating-point entries are converted to float32. Raises DataError naming what is missing, unexpected or misshapen.
    """
    check_fit(net, state, source)
    own = net.state_dict()
    net.load_state_dict({name: state[name].to(own[name].dtype) for name in own if name in state}, strict=False)
    return net


def check_fit(net: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Raise DataError if ``state`` is not what ``net`` needs, with the first names of each kind; ``net`` may be on the meta device."""
    own = net.state_dict()
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in own]
    misshapen = [
        f"{name} {list(state[name].shape)}, not {list(own[name].shape)}"
        for name in own
        if name in state and own[name].shape != state[name].shape
    ]
    problems = [(w, names) for w, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen)) if names]
    if not problems:
        return
    hint = "is it the right backbone? kdpipe weights check FILE says what a file holds"
    if not misshapen and all("downsample" in name for name in (*missing, *unexpected)):
        hint = "the shortcut type differs: entries named downsample belong to shortcut B, a file without them to shortcut A"
    counts = ", ".join(f"{len(names)} {word}" for word, names in problems)
    told = [f"  {word}: {_first(names)}" for word, names in problems]
    raise DataError("\n".join([f"{source} does not fit {type(net).__name__}: {counts}, of {len(own)} entries", *told]), hint=hint)


def by_position(net: nn.Module, entries: Mapping[str, Tensor], source: str) -> State:
    """The first entries of a file under the names of ``net``, paired in the order of its state dict, whatever the file calls them.

    Some programs read checkpoints so (the flow networks of Generative-model-based KD). Raises DataError where shapes disagree.
    """
    own = net.state_dict()
    if len(entries) < len(own):
        raise DataError(f"{source} has {len(entries)} entries, {type(net).__name__} needs {len(own)}")
    for (name, mine), (theirs, value) in zip(own.items(), entries.items(), strict=False):
        if mine.shape != value.shape:
            raise DataError(f"{source}, by position: {theirs} {list(value.shape)} stands where {name} {list(mine.shape)} belongs")
    return dict(zip(own, entries.values(), strict=False))


def _first(names: list[str]) -> str:
    more = f" … and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
