"""Which trunks have a lean form for training, the C files that it is made of, and what it needs. Nothing of torch is imported here."""

from __future__ import annotations

from pathlib import Path

#: names of the registry
BACKBONES = ("resnet18", "resnet34")
SOURCES = (Path(__file__).with_name("residual.c"), Path(__file__).parents[1] / "inference" / "runtimes" / "winograd.c")


def lacks() -> str:
    """What this machine lacks for it, in words, as far as that is known without compiling anything; "" if nothing."""
    from models.inference.instructions import instructions  # not for the verbs that only look
    from models.inference.runtimes.native import compiler

    if not compiler():
        return "no C compiler"
    here = instructions()
    return "the processor has no AVX2" if here and "avx2" not in here else ""
