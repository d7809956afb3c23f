"""One tiny world a session, in each layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from world.generate import generate


@pytest.fixture(scope="session")
def msvd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world") / "msvd"
    generate(out, "msvd-qa", "tiny", 3)
    return out


@pytest.fixture(scope="session")
def msrvtt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world") / "msrvtt"
    generate(out, "msrvtt-qa", "tiny", 3)
    return out
