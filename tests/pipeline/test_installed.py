"""Versions of libraries, found without importing them, and keyed where a stage says that they count."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from types import SimpleNamespace

import pytest

from cache.stage import Node
from pipeline import judge
from pipeline.installed import installed
from pipeline.ready import lacking
from stages.extract import STAGE, ExtractParams


@pytest.mark.parametrize("name", ["torch", "numpy", "PyYAML", "opencv_contrib_python.headless", "types-PyYAML"])
def test_a_version_is_what_the_metadata_say(name: str) -> None:
    assert installed([name]) == {name: importlib.metadata.version(name)}


def test_what_is_not_installed_has_no_version() -> None:
    assert installed(["kdpipe-no-such-thing"]) == {"kdpipe-no-such-thing": ""}


def test_another_version_of_a_library_is_another_key_and_another_build_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    here, found = SimpleNamespace(device="cuda:1"), {}
    for version in ("2.15.0+cpu", "2.15.0+cu128", "2.16.0"):
        monkeypatch.setattr(judge, "installed", lambda names, version=version: dict.fromkeys(names, version))
        found[version] = judge.Judge.facets(here, Node("extract.motion", STAGE, ExtractParams(kind="motion")))
    assert found["2.15.0+cpu"] == found["2.15.0+cu128"] == {"device": "cuda", "torch": "2.15.0"}
    assert found["2.16.0"] == {"device": "cuda", "torch": "2.16.0"}
    images = Node("extract.appearance", STAGE, ExtractParams(backbone="resnet101", runtime="openvino"))
    assert set(judge.Judge.facets(here, images)) == {"device", "torch", "openvino", "torchvision"}


def test_a_runtime_that_needs_a_compiler_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    plain = Node("extract.motion", STAGE, ExtractParams(kind="motion"))
    found = lacking(dataclasses.replace(plain, params=ExtractParams(kind="motion", runtime="winograd")))
    assert found is not None and "needs a C compiler" in found[0]
    assert lacking(plain) is None
