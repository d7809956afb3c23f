"""``python -m models.backbones.table [--write]``: the tables of docs/BACKBONES.md, made from the registry and the weights.

Parameters and multiply-adds are counted on networks without storage (the meta device), on one input of the nominal size.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from models.backbones.registry import BACKBONES, Backbone, build, module_of
from models.weights import WEIGHTS, Weights, of_backbone

PAGE = Path(__file__).resolve().parents[2] / "docs" / "BACKBONES.md"


def network_rows() -> list[tuple[str, ...]]:
    """Every network of the registry, with a heading."""
    head = ("backbone", "kind", "V", "input", "parameters", "GMAC", "code", "weights")
    return [head, *(_network_row(entry) for entry in BACKBONES.values())]


def weight_rows() -> list[tuple[str, ...]]:
    """Every known set of weights, with a heading."""
    head = ("weights", "file", "sha256", "licence", "classes", "clip", "mean", "deviation")
    return [head, *(_weight_row(entry) for entry in WEIGHTS.values())]


def markdown(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows as a Markdown table; the first is the heading."""
    head, *rest = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rest))


def page(text: str) -> str:
    """``text`` with its tables made anew: what stands between ``<!-- networks -->`` or ``<!-- weights -->`` and ``<!-- end -->``."""
    for name, rows in (("networks", network_rows), ("weights", weight_rows)):
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not (begin and end):
            raise ValueError(f"no place for the table of {name}")
        text = f"{before}{begin}\n{markdown(rows())}\n\n{end}{after}"
    return text


def cost(entry: Backbone) -> tuple[int, int]:
    """(parameters, multiply-adds of convolutions and linear layers for one input), the classifier included."""
    total = 0

    def count(module: nn.Module, inputs: object, output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, Tensor)
        total += output.numel() * weight[0].numel()

    with torch.device("meta"):
        net = build(entry.name).eval()
        size = (entry.image_size, entry.image_size)
        x = torch.empty((1, entry.channels, *size) if entry.frames == 1 else (1, entry.channels, entry.frames, *size))
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
                module.register_forward_hook(count)
        net(x)
    return sum(parameter.numel() for parameter in net.parameters()), total


def _network_row(entry: Backbone) -> tuple[str, ...]:
    parameters, macs = cost(entry)
    size = f"{entry.image_size}×{entry.image_size}"
    shape = size if entry.frames == 1 else f"{entry.frames}×{size}"
    known = ", ".join(f"`{weights.name.partition('.')[2]}`" for weights in of_backbone(entry.name)) or "–"
    code = module_of(entry).rpartition(".")[2] + ".py"
    return (
        f"`{entry.name}`",
        entry.kind,
        str(entry.width),
        shape if entry.channels == 3 else f"{shape}, {entry.channels} channels",
        f"{parameters / 1e6:.2f} M",
        f"{macs / 1e9:.3g}",
        f"`{code}`",
        known,
    )


def _weight_row(entry: Weights) -> tuple[str, ...]:
    size = f"{entry.image_size}²"
    frames = entry.frames or BACKBONES[entry.backbone].frames
    return (
        f"`{entry.name}`",
        f"`{entry.file}`",
        f"`{entry.sha256[:12]}{'…' if len(entry.sha256) > 12 else ''}`" if entry.sha256 else "–",
        entry.licence,
        str(entry.classes or "–"),
        size if frames == 1 else f"{frames}×{size}",
        _numbers(entry.mean),
        _numbers(entry.std) + (" of 255" if entry.scale == 255 else ""),
    )


def _numbers(values: tuple[float, ...]) -> str:
    if len(set(values)) == 1:
        return f"{values[0]:g}"
    return ", ".join(f"{value:g}" for value in values)


def main() -> None:
    """Print the page with its tables made anew, or write it."""
    text = page(PAGE.read_text(encoding="utf-8"))
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
