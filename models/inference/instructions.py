"""Which arithmetic this machine's processor has instructions for, read from the system without torch.

PyTorch and OpenVINO compute in any precision on any processor: without the instructions for it slower than in float32, or, without a
word, in float32 itself. So whoever asks for a precision that the processor lacks is told.
"""

from __future__ import annotations

import functools
from pathlib import Path

#: precision -> the instructions that make it worth its errors, as Linux calls them; one of them is enough
WANTED = {"bfloat16": ("avx512_bf16", "amx_bf16"), "int8": ("avx512_vnni", "avx_vnni", "amx_int8")}


@functools.cache
def instructions() -> frozenset[str]:
    """Names of the instruction sets of this machine's processors; empty if the system does not say (no Linux, no x86)."""
    return told_by(Path("/proc/cpuinfo"))


def told_by(cpuinfo: Path) -> frozenset[str]:
    """What every processor has that the file names."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    sets = {frozenset(names.split()) for line in lines for what, _, names in [line.partition(":")] if what.strip() == "flags"}
    return frozenset.intersection(*sets) if sets else frozenset()


@functools.cache
def maker() -> str:
    """Who made this machine's processor, as it names itself (``GenuineIntel``, ``AuthenticAMD``); "" if the system does not say."""
    return made_by(Path("/proc/cpuinfo"))


def made_by(cpuinfo: Path) -> str:
    """What the file says; "" where its processors are of several makers."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ""
    makers = {name.strip() for line in lines for what, _, name in [line.partition(":")] if what.strip() == "vendor_id"}
    return makers.pop() if len(makers) == 1 else ""


def lacks(precision: str, device: str) -> str:
    """What the processor lacks for ``precision``, in words; "" if it has it, if another device computes, or if the system does not say."""
    wanted, here = WANTED.get(precision, ()), instructions()
    if not wanted or not here or not device.startswith("cpu") or here & set(wanted):
        return ""
    return f"this processor has no instructions for {precision} ({' or '.join(wanted)})"


def used(precision: str) -> list[str]:
    """Of the instructions for ``precision``, those that the processor has: they round alike no more than vectors of two widths do."""
    return [name for name in WANTED.get(precision, ()) if name in instructions()]


#: what to type instead
HINT = "precision=float32 computes everywhere; kdpipe doctor --bench measures what this machine can do"
