"""Published checkpoints load by the loader rule; anything unsafe or unfit is refused in words."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cache.errors import ConfigError, DataError, StoreError
from models import weights
from models.backbones import resnet3d
from models.backbones.checkpoint import infer_resnet3d, load_into, read_state
from models.training import checkpoint

SMALL = {"layers": (1, 1, 1, 1), "n_classes": 5}
NETS = {
    "basic A": lambda: resnet3d.resnet_2018(18, shortcut="A", n_classes=5, layers=(2, 1, 1, 1)),
    "basic B narrow": lambda: resnet3d.resnet_2020(18, n_classes=5, widen_factor=0.25),
    "bottleneck": lambda: resnet3d.resnet_2020(50, n_classes=5, widen_factor=0.25, conv1_t_size=3, layers=(1, 2, 1, 1)),
    "wide": lambda: resnet3d.wide_resnet_2020(50, k=1, **SMALL),
    "wide 2018": lambda: resnet3d.wide_resnet_2018(50, k=1, n_classes=5),
    "resnext": lambda: resnet3d.resnext_2018(**SMALL),
    "resnext c8": lambda: resnet3d.resnext_2018(cardinality=8, **SMALL),
    "r2p1d": lambda: resnet3d.resnet_2020(18, n_classes=5, widen_factor=0.25, factorised=True),
    "r2p1d bottleneck": lambda: resnet3d.resnet_2020(50, factorised=True, widen_factor=0.25, **SMALL),
    "two channels": lambda: resnet3d.resnet_2020(10, n_input_channels=2, widen_factor=0.25, n_classes=5),
}


@pytest.mark.parametrize("name", NETS)
def test_the_network_is_read_off_its_state(name: str) -> None:
    net = NETS[name]().eval()
    again = infer_resnet3d(net.state_dict()).eval()
    load_into(again, net.state_dict(), "state")
    x = torch.rand(1, 2 if name == "two channels" else 3, 16, 32, 32)
    net.avgpool = again.avgpool  # the 2018 window is for 112 pixels; here the clip is smaller
    with torch.inference_mode():
        assert torch.equal(net.feature(x), again.feature(x))


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
        weights.find("resnet101", "imagenet1k")


@pytest.mark.parametrize("entry", [e for e in weights.WEIGHTS.values() if e.shipped], ids=lambda e: e.name)
def test_shipped_weights_are_there_small_and_fit(entry: weights.Weights) -> None:
    from models.backbones.registry import build

    path = weights.check(entry, weights.SHIPPED / entry.file)
    assert path.stat().st_size <= 1.5e6
    load_into(build(entry.backbone), read_state(path), entry.file)


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
    torch.save({"state": Touch(tmp_path / "made")}, buffer)
    (tmp_path / checkpoint.NAME).write_bytes(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())
    with pytest.raises(StoreError, match="no checkpoint of ours"):
        checkpoint.load(tmp_path)
    assert not (tmp_path / "made").exists()
