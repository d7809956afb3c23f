"""Published checkpoints load by the loader rule; anything unsafe or unfit is refused in words."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import pickle
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from cache.errors import ConfigError, DataError, StoreError
from models import weights
from models.backbones import i3d, resnet2d, resnet3d
from models.backbones.published import by_position, load_into, read_raw, read_state
from models.training import checkpoint


def published_2018(path: Path, net: nn.Module) -> Path:
    """Write a checkpoint as the 2018 release did: DataParallel names, no num_batches_tracked, other keys beside."""
    state = {f"module.{k}": v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save({"epoch": 3, "arch": "resnet-10", "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}, path)
    return path


def test_a_2018_checkpoint_loads_whatever_its_prefix(tmp_path: Path) -> None:
    net = resnet3d.resnet_2018(10, shortcut="A", n_classes=5)
    state = read_state(published_2018(tmp_path / "resnet-10.pth", net))
    fresh = load_into(resnet3d.resnet_2018(10, shortcut="A", n_classes=5), state, "resnet-10.pth")
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), fresh.state_dict().values()))


def test_the_wrong_shortcut_is_named(tmp_path: Path) -> None:
    state = read_state(published_2018(tmp_path / "a.pth", resnet3d.resnet_2018(10, shortcut="A", n_classes=5)))
    with pytest.raises(DataError, match="shortcut"):
        load_into(resnet3d.resnet_2018(10, shortcut="B", n_classes=5), state, "a.pth")


def test_what_does_not_fit_is_counted_and_its_first_names_are_shown() -> None:
    state = resnet2d.resnet18(10).state_dict()
    del state["layer4.1.bn2.weight"]
    state["head.weight"] = torch.zeros(1)
    state["fc.weight"] = torch.zeros(3, 512)
    for number in range(20):
        state[f"extra.{number}"] = torch.zeros(1)
    with pytest.raises(DataError) as told:
        load_into(resnet2d.resnet18(10), state, "mine.pth")
    lines = str(told.value).splitlines()
    assert lines[0] == "mine.pth does not fit ResNet2D: 1 missing, 21 unexpected, 1 of another shape, of 122 entries"
    assert lines[1] == "  missing: layer4.1.bn2.weight"
    assert lines[2] == "  unexpected: head.weight, extra.0, extra.1, extra.2, extra.3 … and 16 more"
    assert lines[3] == "  of another shape: fc.weight [3, 512], not [10, 512]"


def test_the_key_of_the_state_and_what_stands_beside_it_are_told(tmp_path: Path) -> None:
    net = nn.Linear(2, 2)
    torch.save({"iteration": 9, "model_state_dict": net.state_dict()}, tmp_path / "a.pt")
    raw = read_raw(tmp_path / "a.pt")
    assert (raw.key, raw.others, list(raw.entries)) == ("model_state_dict", ("iteration",), ["weight", "bias"])
    torch.save(net.state_dict(), tmp_path / "b.pt")
    assert read_raw(tmp_path / "b.pt").key == ""


def test_a_file_is_read_by_position_where_its_names_say_nothing() -> None:
    net = i3d.topi3d(3, 2, final_endpoint="Logits")
    theirs = {f"entry{n}": value for n, value in enumerate(net.state_dict().values())} | {"head": torch.zeros(1)}
    fresh = i3d.topi3d(3, 2)
    load_into(fresh, by_position(fresh, theirs, "flow.ckpt"), "flow.ckpt")
    assert all(torch.equal(a, b) for a, b in zip(fresh.state_dict().values(), net.state_dict().values()))
    with pytest.raises(DataError, match=r"entry0 .* stands where logits.conv3d.weight"):
        by_position(i3d.topi3d(4, 2), theirs, "flow.ckpt")
    with pytest.raises(DataError, match="has 2 entries"):
        by_position(fresh, dict(list(theirs.items())[:2]), "flow.ckpt")


def test_half_precision_safetensors_load_as_float32(tmp_path: Path) -> None:
    net = nn.Linear(2, 2)
    save_file({k: v.half() for k, v in net.state_dict().items()}, tmp_path / "w.safetensors")
    loaded = load_into(nn.Linear(2, 2), read_state(tmp_path / "w.safetensors"), "w")
    assert loaded.weight.dtype == torch.float32
    assert torch.allclose(loaded.weight, net.weight, atol=1e-3)


class Evil:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.unlink, (Path("never"),))  # type: ignore[return-value]


def test_files_that_are_not_plain_tensors_are_refused(tmp_path: Path) -> None:
    evil, text, other = tmp_path / "evil.pth", tmp_path / "text.pth", tmp_path / "other.pth"
    evil.write_bytes(pickle.dumps({"state_dict": Evil()}))
    text.write_text("not a checkpoint")
    torch.save([1, 2], other)
    for path in (evil, text, other, tmp_path / "absent.pth"):
        with pytest.raises(DataError):
            read_state(path)
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(DataError, match="safely"):
        read_state(tmp_path / "cut.safetensors")


def test_known_weights_are_checked_by_digest(tmp_path: Path) -> None:
    entry = weights.find("resnet101", "imagenet1k_v1")
    assert entry.sha256 == "63fe2227"
    path = tmp_path / entry.file
    with pytest.raises(DataError, match="fetch"):
        weights.check(entry, path)
    path.write_bytes(b"other")
    with pytest.raises(DataError, match="expected 63fe2227"):
        weights.check(entry, path)
    with pytest.raises(ConfigError, match="did you mean 'imagenet1k_v1'"):
        weights.find("resnet101", "imagenet1kv1")


@pytest.mark.parametrize("entry", [e for e in weights.WEIGHTS.values() if e.shipped], ids=lambda e: e.name)
def test_shipped_weights_are_there_small_and_fit(entry: weights.Weights) -> None:
    from models.backbones.registry import build

    path = weights.check(entry, entry.path)
    assert path.stat().st_size <= 1.5e6
    load_into(build(entry.backbone), read_state(path), entry.file)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data(), kind=st.sampled_from(["zipped", "legacy", "safetensors"]))
def test_a_damaged_file_is_refused_in_words_or_read(data: st.DataObject, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged-{kind}{'.safetensors' if kind == 'safetensors' else '.pth'}"
    state = {"conv1.weight": torch.ones(2, 3, 3, 3), "bn": torch.ones(3)}
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zipped")
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(DataError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read_state(path)


class Touch:
    """Unpickled without care, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    made, evil = tmp_path / "made", tmp_path / "evil.pth"
    evil.write_bytes(pickle.dumps({"state_dict": Touch(made)}))
    pickle.loads(evil.read_bytes())
    assert made.exists()
    made.unlink()
    with pytest.raises(DataError):
        read_state(evil)
    torch.save({"state_dict": Touch(made)}, evil)
    with pytest.raises(DataError):
        read_state(evil)
    assert not made.exists()


def test_code_in_a_training_checkpoint_is_not_run(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"state": Touch(tmp_path / "made"), "kept": ""}, buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    (tmp_path / f"{digest}{checkpoint.SUFFIX}").write_bytes(buffer.getvalue())
    (tmp_path / checkpoint.NAME).write_text(json.dumps({"state": digest}))
    with pytest.raises(StoreError, match="no checkpoint of ours"):
        checkpoint.Checkpoint(tmp_path).load()
    assert not (tmp_path / "made").exists()
