"""Reading weight files safely, and loading them strictly.

Nothing is unpickled beyond tensors and plain containers: ``.safetensors``, or ``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cache.errors import DataError, some
from cache.given import plain_file

State = dict[str, Tensor]

#: keys under which checkpoints keep the state dict of their network
KEYS = ("state_dict", "model_state_dict")
#: how much of what a library says an error shows
LONGEST = 200
#: PyTorch's words for a class that it does not make from a file
REFUSED = re.compile(
    r"(?:Unsupported (?:global|class)\W+(?:GLOBAL\s+)?|Trying to (?:instantiate|call reduce for unrecognized) \w*\s*)([\w.]+\.[\w.]+)"
)
OPERAND = re.compile(r"\s*Unsupported operand")
#: beginnings of files that people mistake for weights
FOREIGN = {
    b"version https://git-lfs": "it is a Git LFS pointer, not the file (git lfs pull fetches it)",
    b"<": "it is a web page",
    b"\x89HDF": "it is an HDF5 file",
    b"\x1f\x8b": "it is a gzip file",
    b"Rar!": "it is a RAR archive",
}
#: what the readers raise on files that are damaged, or hold more than tensors
UNREADABLE = (
    pickle.UnpicklingError,
    SafetensorError,
    struct.error,
    zipfile.BadZipFile,
    OSError,
    MemoryError,
    NotImplementedError,
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


def read_raw(path: Path, keys: tuple[str, ...] = KEYS) -> Raw:
    """Read a weights file: a bare state dict, or a dict that holds one under one of ``keys``.

    Raises DataError if the file is not there, holds anything but tensors, or is damaged.
    """
    plain_file(path, f"weights file {path}", hint="kdpipe never downloads weights: fetch the file and give its path")
    try:
        if path.suffix == ".safetensors":
            loaded: Any = load_file(path)
        else:
            if zipfile.is_zipfile(path):
                _refuse_packed(path)
            loaded = _torch_load(path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    key, others = "", ()
    if isinstance(loaded, Mapping):
        key = next((name for name in keys if isinstance(loaded.get(name), Mapping)), "")
        if key:
            others = tuple(str(name) for name in loaded if name != key)
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise DataError(f"{path} holds no state dict, but {_kind(loaded)}{f' under {key!r}' if key else ''}", hint=_advice(path, loaded))
    entries = {str(name): value for name, value in loaded.items()}
    for name, value in entries.items():
        _refuse_odd(path, name, value)
    return Raw(entries, key, others)


def _torch_load(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unusual files, which end in an error anyway
        return torch.load(path, map_location="cpu", weights_only=True)


def _unreadable(path: Path, error: Exception) -> DataError:
    """What is wrong with a file that a library refuses: the class that it needs, what it is instead, or the library's own words."""
    text = str(error)
    refused = REFUSED.search(text)
    if refused:
        return DataError(
            f"{path} is not tensors alone: it needs {refused[1]}, and making that may run code",
            hint="if you trust who made it, save its state dict with PyTorch and take that file: "
            "torch.save(torch.load(FILE, weights_only=False)['state_dict'], 'tensors.pth')",
        )
    with path.open("rb") as file:
        start = file.read(64)
    foreign = next((what for magic, what in FOREIGN.items() if start.startswith(magic)), "") if start else "empty"
    if start[:1] == b"\x80" and start[1:2] > b"\x02":
        foreign = f"it is a pickle of protocol {start[1]} that torch.save did not make"
    why = foreign or next((line.strip() for line in reversed(text.splitlines()) if OPERAND.match(line)), "")
    why = why or (text.splitlines() or [type(error).__name__])[0] or type(error).__name__
    return DataError(
        f"{path} is not a weights file that can be read safely: {why if len(why) <= LONGEST else why[:LONGEST] + ' …'}",
        hint="safetensors, or a torch file of tensors alone (torch.save of a state_dict)",
    )


def _refuse_packed(path: Path) -> None:
    """PyTorch stores tensors as they are; packed ones may be a thousand times as large as the file."""
    with zipfile.ZipFile(path) as archive:
        packed = [one.filename for one in archive.infolist() if one.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise DataError(
            f"{path} is no torch file: {some(packed, 2)} inside {'are' if len(packed) > 1 else 'is'} compressed",
            hint="is it an archive of files? unpack it",
        )


def _refuse_odd(path: Path, name: str, value: Tensor) -> None:
    """Raise DataError for a tensor that is not plain numbers which the file really holds."""
    odd = value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized or value.is_complex() or value.is_nested
    if odd:
        raise DataError(f"{path}: {name} is {value.dtype}, {value.layout}, on {value.device}: not plain numbers")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise DataError(f"{path}: {name} {list(value.shape)} repeats the {value.untyped_storage().nbytes():,} bytes that are there")


def _kind(value: Any) -> str:
    """What an object is, in a few words: of a mapping, its keys and what is under them."""
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)}"
    if isinstance(value, Mapping):
        return f"the keys {some(f'{name} ({_brief(inner)})' for name, inner in value.items())}" if value else "nothing"
    return f"{type(value).__name__}"


def _brief(value: Any) -> str:
    if isinstance(value, Mapping) and value and all(isinstance(inner, Tensor) for inner in value.values()):
        return f"{len(value)} tensors"
    return f"{len(value)} keys" if isinstance(value, Mapping) else type(value).__name__


def _advice(path: Path, loaded: Any) -> str:
    """How to make a file that can be read of one that holds tensors under another key."""
    held = [name for name, value in loaded.items() if _brief(value).endswith("tensors")] if isinstance(loaded, Mapping) else []
    if held:
        return f"are its weights under {held[0]!r}? torch.save(torch.load({path.name!r})[{held[0]!r}], 'tensors.pth') makes a file of them"
    return f"expected name -> tensor, or a dict with such a one under {' or '.join(map(repr, KEYS))}"


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
    told = [f"  {word}: {some(names)}" for word, names in problems]
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
