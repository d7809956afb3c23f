"""OpenVINO where it is installed: it is an extra."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from models.inference.runtimes.openvino import library


def openvino_or_skip() -> Any:
    """OpenVINO as kdpipe loads it; without it, the test or the module is skipped."""
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("openvino is not installed", allow_module_level=True)
    return library()
