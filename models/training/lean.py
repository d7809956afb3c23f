"""Which trunks have a lean form for training, and the C files that it is made of. Nothing of torch is imported here."""

from __future__ import annotations

from pathlib import Path

#: names of the registry
BACKBONES = ("resnet18", "resnet34")
SOURCES = (Path(__file__).with_name("residual.c"), Path(__file__).parents[1] / "inference" / "runtimes" / "winograd.c")
