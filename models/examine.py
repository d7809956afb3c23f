"""What a weights file holds, and its network as a file of ours: the work of ``kdpipe weights check`` and ``import``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from cache.digest import digest_file
from cache.errors import ConfigError, DataError
from models import published
from models.backbones import converted
from models.backbones.naming import find_backbone
from models.backbones.published import Raw, State, by_position, check_fit, load_into, read_raw
from models.backbones.registry import build, find, options_of
from models.backbones.sniff import Found, identify
from models.experts import fitting as experts
from models.experts.darknet import SUFFIXES
from models.experts.registry import EXPERTS


@dataclass(frozen=True)
class Examined:
    """A weights file: where it comes from, and the backbone in it.

    backbone: the registry's name, "" if its network is none of the registry's. known: published weights that it is, "" if none;
    because:  how we know (see :func:`models.published.of_file`; ``"imported"``: its own account says so).
    naming, prefix: how its names stand.
    left_out: names of entries that are not the backbone's. not_finite: entry -> how many NaN or infinities.
    """

    path: Path
    sha256: str
    raw: Raw
    found: Found
    backbone: str
    naming: str
    prefix: str
    state: State
    left_out: tuple[str, ...]
    known: str = ""
    because: str = ""
    origin: converted.Origin | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Options of the backbone that the file decides."""
        return options_of(self.backbone, self.state)

    @property
    def dtypes(self) -> dict[str, int]:
        """Type of number -> entries of the backbone, counters left aside."""
        return dict(Counter(str(v.dtype).removeprefix("torch.") for k, v in self.state.items() if not k.endswith("num_batches_tracked")))

    @property
    def parameters(self) -> int:
        """Numbers that training changes: all but the statistics of normalisations."""
        aside = ("running_mean", "running_var", "num_batches_tracked")
        return sum(value.numel() for name, value in self.state.items() if not name.endswith(aside))

    @property
    def not_finite(self) -> dict[str, int]:
        """Entry -> how many of its numbers are NaN or infinite."""
        counts = {k: int((~torch.isfinite(v)).sum()) for k, v in self.state.items() if v.is_floating_point()}
        return {name: count for name, count in counts.items() if count}

    def facts(self) -> dict[str, Any]:
        """All of it as plain values."""
        found = self.found
        return {
            "file": str(self.path),
            "size": self.path.stat().st_size,
            "sha256": self.sha256,
            "known": self.known,
            "because": self.because,
            "family": found.family,
            "backbone": self.backbone,
            "depth": found.depth,
            "shortcut": found.shortcut,
            "classes": found.n_classes,
            "cardinality": found.cardinality,
            "channels": found.channels,
            "naming": self.naming,
            "prefix": self.prefix,
            "key": self.raw.key,
            "beside": list(self.raw.others),
            "entries": len(self.raw.entries),
            "left_out": list(self.left_out),
            "counters": any(name.endswith("num_batches_tracked") for name in self.state),
            "dtypes": self.dtypes,
            "parameters": self.parameters,
            "not_finite": self.not_finite,
            "imported_from": None if self.origin is None else {"file": self.origin.file, "sha256": self.origin.sha256},
        }


def examine(path: Path, backbone: str = "", *, position: bool = False) -> Examined:
    """Read a file safely and say what it holds; with ``backbone``, check that it fits that network, strictly.

    ``position`` takes its first entries in their order, whatever their names (``backbone`` must be named then). Raises DataError for
    what cannot be read, holds no backbone, or does not fit.
    """
    if backbone not in ("", *experts.NETWORKS):
        find(backbone)
    raw = _read(path)
    try:
        if position:
            naming, prefix, state, left_out = _positioned(path, raw, backbone)
            found = identify(state)
        elif expert := backbone if backbone in experts.NETWORKS else experts.identify(raw.entries):
            expert = _by_name(path, expert) if not backbone else expert
            naming, prefix, state, left_out = "the authors'", "", experts.fitting(expert, raw.entries, path.name), ()
            found = Found(_family(expert), expert, lambda: experts.NETWORKS[expert](state))
        else:
            there = find_backbone(raw.entries)
            naming, prefix, state, left_out = there.name, there.prefix, there.state, there.rest
            if backbone:
                with torch.device("meta"):
                    check_fit(build(backbone, **options_of(backbone, state)), state, path.name)
            found = identify(state)
    except DataError as error:
        named = error.message if path.name in error.message else f"{path.name}: {error.message}"
        raise DataError(named, hint=error.hint) from error
    sha256 = digest_file(path)
    origin = converted.verify(path) if converted.origin_of(path) is not None else None
    chosen = backbone or (origin.backbone if origin is not None else "") or found.backbone
    known, because = _known(path, sha256, chosen, origin)
    return Examined(path, sha256, raw, found, chosen, naming, prefix, state, left_out, known, because, origin)


def _read(path: Path) -> Raw:
    """A file as it stands. What lies under a key that only experts' files have is taken if it is an expert's."""
    if path.suffix in SUFFIXES:
        return Raw(experts.read_yolov3(path))
    try:
        return read_raw(path)
    except DataError as error:
        try:
            raw = read_raw(path, experts.KEYS)
        except DataError:
            raise error from error.__cause__
        if not experts.identify(raw.entries):
            raise
        return raw


def _by_name(path: Path, expert: str) -> str:
    """Of experts that have one network, the one whose published file has this name; else ``expert``, the first."""
    known = next((entry for entry in published.WEIGHTS.values() if entry.file == path.name), None)
    alike = known is not None and experts.NETWORKS.get(known.backbone) == experts.NETWORKS[expert]
    return known.backbone if known is not None and alike else expert


def _family(expert: str) -> str:
    """An expert in words."""
    kind = EXPERTS[expert].kind if expert in EXPERTS else "people"
    return f"{expert}, which sees {'optical flow' if kind == 'flow' else 'poses' if kind == 'skeleton' else kind}"


def convert(examined: Examined) -> bytes:
    """The backbone as a safetensors file of ours: float32, our names, complete, with an account of its origin.

    Equal input gives equal bytes. Raises DataError if the network is none of the registry's, or holds NaN or infinities.
    """
    if not examined.backbone:
        raise DataError(
            f"{examined.path.name} holds a {examined.found.family} that is none of the registry's networks",
            hint="kdpipe weights ls shows the registry's; --backbone NAME says what does not fit",
        )
    if bad := examined.not_finite:
        raise DataError(f"{examined.path.name} has NaN or infinity in {len(bad)} entries, first {next(iter(bad))}", hint="fetch it again")
    ready = examined.found.make() if examined.backbone in experts.NETWORKS else build(examined.backbone, **examined.options)
    net = load_into(ready, examined.state, examined.path.name)
    state = {name: value.float() if value.is_floating_point() else value for name, value in net.state_dict().items()}
    kind = f"{examined.naming}, prefix {examined.prefix!r}"
    origin = converted.Origin(examined.path.name, examined.sha256, kind, examined.backbone, examined.known, left_out=len(examined.left_out))
    if examined.origin is not None:  # of an imported file the first original is what counts
        origin = examined.origin
    return _file(save({name: value.contiguous() for name, value in state.items()}), origin)


def _file(plain: bytes, origin: converted.Origin) -> bytes:
    """A safetensors file with ``origin`` in its metadata. The header is written here: the library's own order of keys is not certain."""
    length = int.from_bytes(plain[:8], "little")
    entries, data = json.loads(plain[8 : 8 + length]), memoryview(plain)[8 + length :]
    account = replace(origin, data_sha256=converted.digest(data)).dump()
    header = json.dumps({"__metadata__": {converted.KEY: account}, **dict(sorted(entries.items()))}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return b"".join([len(header).to_bytes(8, "little"), header, data])


def _positioned(path: Path, raw: Raw, backbone: str) -> tuple[str, str, State, tuple[str, ...]]:
    if not backbone:
        raise ConfigError("reading by position needs a backbone", hint="--backbone NAME; kdpipe weights ls lists them")
    with torch.device("meta"):
        net = build(backbone, n_classes=_classes_by_position(backbone, raw.entries))
    state = by_position(net, raw.entries, path.name)
    return "by position", "", state, tuple(raw.entries)[len(state) :]


def _classes_by_position(backbone: str, entries: Mapping[str, Tensor]) -> int:
    """Classes of a file read by position: the size that stands where networks of different numbers of classes differ."""
    with torch.device("meta"):
        one, other = (build(backbone, n_classes=n).state_dict().values() for n in (7, 8))
    for a, b, value in zip(one, other, entries.values(), strict=False):
        if a.shape != b.shape and value.dim() == a.dim():
            return int(value.shape[0])
    return 0


def _known(path: Path, sha256: str, backbone: str, origin: converted.Origin | None) -> tuple[str, str]:
    if origin is not None:
        return origin.known, "imported" if origin.known else ""
    entry, because = published.of_file(path.name, sha256)
    if entry is None or (because == "name" and entry.backbone != backbone):
        return "", ""
    return ("", because) if because == "differs" else (entry.name, because)
