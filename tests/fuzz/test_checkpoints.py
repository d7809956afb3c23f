"""Weights and checkpoints: whatever lies there, tensors come of it or an error of ours, and nothing in it is run."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from cache.errors import DataError
from models import tensorflow_checkpoint
from models.backbones import converted
from models.backbones.naming import find_backbone
from models.backbones.published import read_raw
from models.backbones.sniff import identify
from models.tensorflow_checkpoint import checkpoint_prefix, read_checkpoint, read_index
from tests.fuzz.files import WRONG, refusal, shrinking, spoilt

STATE = {"layer1.0.conv1.weight": torch.ones(2, 3), "fc.bias": torch.ones(2)}
PREFIX = Path(__file__).parents[1] / "data" / "fewerframes" / "tf_checkpoint" / "teacher" / "model.ckpt-95830"


def _saved(old: bool) -> bytes:
    torch.save({"epoch": 3, "state_dict": STATE}, buffer := io.BytesIO(), _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


def _imported() -> bytes:
    account = converted.Origin("a.pth", "0" * 64, "ResNet", "resnet18").dump()
    return save(STATE, {"kdpipe": account})


def read_weights(path: Path) -> Any:
    raw = read_raw(path)
    with contextlib.suppress(DataError):  # what it says of sound tensors names no file: its caller does
        identify(find_backbone(raw.entries).state)
    return raw, converted.origin_of(path)


READERS: dict[str, tuple[bytes, Callable[[Path], Any]]] = {
    "zip.pth": (_saved(False), read_weights),
    "old.pth": (_saved(True), read_weights),
    "plain.safetensors": (save(STATE), read_weights),
    "imported.safetensors": (_imported(), read_weights),
    "model.index": (PREFIX.with_name(PREFIX.name + ".index").read_bytes(), read_index),
}
EACH = pytest.mark.parametrize("name", READERS)


@EACH
@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_checkpoint_is_refused(name: str, what: str, tmp_path: Path) -> None:
    WRONG[what](tmp_path / name)
    assert refusal(tmp_path / name, lambda: READERS[name][1](tmp_path / name)) is not None


@EACH
def test_cut_at_any_byte_it_is_read_or_refused(name: str, tmp_path: Path) -> None:
    sample, read = READERS[name]
    path, refused = tmp_path / name, 0
    path.write_bytes(sample)
    assert refusal(path, lambda: read(path)) is None
    for _ in shrinking(path, sample):
        refused += refusal(path, lambda: read(path)) is not None
    assert refused == len(sample)


@EACH
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spoilt_it_is_read_or_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    sample, read = READERS[name]
    path = tmp_path / name
    path.write_bytes(data.draw(spoilt(sample)))
    refusal(path, lambda: read(path))


@pytest.mark.parametrize("length", [10**15, (1 << 64) - 1, converted.LONGEST_HEADER + 1, converted.LONGEST_HEADER])
def test_a_header_of_safetensors_longer_than_the_file_asks_for_no_memory(length: int, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"{}")
    assert converted.origin_of(path) is None
    assert refusal(path, lambda: read_raw(path)) is not None


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 100_000, "1" * 5000, '{"__metadata__": {"kdpipe": "[[]]"}}', "NaN", "\ud800"])
def test_a_header_of_safetensors_that_is_no_header_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    data = text.encode(errors="surrogatepass")
    path.write_bytes(len(data).to_bytes(8, "little") + data)
    assert refusal(path, lambda: read_weights(path)) is not None


@pytest.mark.parametrize("value", [None, 1, [], {}, "x", {"file": 1}, {"file": "a", "sha256": "b", "kind": "c", "backbone": []}])
def test_an_account_of_imported_weights_that_is_none_is_refused(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(save(STATE, {"kdpipe": json.dumps(value)}))
    assert refusal(path, lambda: converted.verify(path)) is not None


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("name", ["checkpoint", f"{PREFIX.name}.data-00000-of-00001"])
def test_a_folder_of_tensorflow_with_something_else_in_it_is_refused(name: str, what: str, tmp_path: Path) -> None:
    folder = tmp_path / "teacher"
    shutil.copytree(PREFIX.parent, folder)
    (folder / name).unlink()
    WRONG[what](folder / name)
    assert refusal(folder / name, lambda: read_checkpoint(folder)) is not None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_entry_of_an_index_is_a_place_or_an_error(value: bytes) -> None:
    try:
        tensorflow_checkpoint._entry(Path("x.index"), "name", value)
    except (DataError, ValueError, IndexError):  # what read_index makes one error of
        return


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_list_of_checkpoints_names_one_or_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "checkpoint").write_bytes(b'model_checkpoint_path: "' + data + b'"\n')
    refusal(tmp_path, lambda: read_checkpoint(checkpoint_prefix(tmp_path)))


def test_tensors_that_take_the_same_bytes_are_refused() -> None:
    entry = tensorflow_checkpoint.Entry("<f4", (2,), 0, 0, 8, 0)
    with pytest.raises(DataError, match=r"x\.index: b and a take the same bytes"):
        tensorflow_checkpoint._refuse_overlaps(Path("x.index"), {"a": entry, "b": entry})
