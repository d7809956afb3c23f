"""Which device computes, found out without importing torch."""

from __future__ import annotations

import os
from pathlib import Path


def default_device() -> str:
    """``KDPIPE_DEVICE``, else ``"cuda"`` where an NVIDIA driver is at work and visible to us, else ``"cpu"``."""
    chosen = os.environ.get("KDPIPE_DEVICE")
    if chosen:
        return chosen
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "unset").strip() in ("", "-1")
    return "cuda" if Path("/dev/nvidiactl").exists() and not hidden else "cpu"


def device_class(device: str) -> str:
    """``"cuda:1"`` -> ``"cuda"``: what can change bits is the kind of device, not which one."""
    return device.partition(":")[0]
