"""Which device computes, found out without importing torch."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cache.errors import ConfigError

#: What a driver that PyTorch calls CUDA leaves in /dev: NVIDIA's, that of Windows' Linux, of a Jetson, AMD's.
DRIVERS = ("nvidiactl", "dxg", "nvhost-ctrl-gpu", "nvgpu", "kfd")


def default_device() -> str:
    """``KDPIPE_DEVICE``, else ``"cuda"`` where an NVIDIA driver is at work and visible to us, else ``"cpu"``."""
    chosen = os.environ.get("KDPIPE_DEVICE")
    if chosen:
        return chosen
    return "cuda" if Path("/dev/nvidiactl").exists() and not _hidden() else "cpu"


def known_device(device: str) -> str:
    """The device, if it is one by its name. Raises ConfigError."""
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,4})?", device):
        raise ConfigError(f"there is no device {device[:40]!r}", hint="--device cpu, cuda or cuda:N, the GPU of that number (from 0)")
    return device


def require_device(device: str, dev: Path = Path("/dev")) -> None:
    """Raise ConfigError if a GPU is wanted and this machine shows us no driver of one, or fewer GPUs. ``dev`` is where drivers show."""
    if device_class(device) == "cpu":
        return
    hint = "--device cpu computes without one"
    if _hidden():
        raise ConfigError(f"--device {device}: CUDA_VISIBLE_DEVICES hides every GPU", hint=hint)
    if not any((dev / name).exists() for name in DRIVERS):
        raise ConfigError(f"--device {device}: there is no driver of a GPU on this machine", hint=hint)
    wanted, gpus = int(device.partition(":")[2] or 0), _gpus(dev)
    if gpus and wanted >= gpus:
        last = "cuda:0" if gpus == 1 else f"cuda:0 to cuda:{gpus - 1}"
        raise ConfigError(f"--device {device}: there is no such GPU here; there is {last}", hint=hint)


def gpus_to_share(device: str, dev: Path = Path("/dev")) -> list[str]:
    """The GPUs that several processes can be given one each, by their names in CUDA_VISIBLE_DEVICES; none if they are told which to use,
    or none is known.
    """
    if device != "cuda" or _hidden():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [name.strip() for name in visible.split(",")] if visible is not None else [str(number) for number in range(_gpus(dev))]


def device_class(device: str) -> str:
    """``"cuda:1"`` -> ``"cuda"``: what can change bits is the kind of device, not which one."""
    return device.partition(":")[0]


def _hidden() -> bool:
    return os.environ.get("CUDA_VISIBLE_DEVICES", "unset").strip() in ("", "-1", "NoDevFiles")  # the last is Slurm's word


def _gpus(dev: Path) -> int:
    """How many GPUs we are shown; 0 if that cannot be told."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return len(visible.split(",")) if visible is not None else len([path for path in dev.glob("nvidia*") if path.name[6:].isdigit()])
