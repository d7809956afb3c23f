"""``kdpipe weights``: what is published, what a file holds, and files of the store that give the features of their originals."""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from cache.errors import ConfigError, DataError, KdpipeError
from cache.fsck import Fsck
from cache.store import Store
from models import published
from models import weights as table
from models.backbones import converted, i3d, mobilenetv3, resnet2d, resnet3d
from models.backbones.published import read_state
from models.backbones.registry import find
from pipeline.cli import cli
from stages.extract.network import load_network
from tests.parity.case import load_filled

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "store"
    monkeypatch.setenv("KDPIPE_STORE", str(root))
    return root


def run(*arguments: object, code: int = 0) -> str:
    """What ``kdpipe weights ...`` prints; an error of ours is raised as such."""
    done = CliRunner().invoke(cli, ["weights", *map(str, arguments)])
    if isinstance(done.exception, KdpipeError):
        raise done.exception
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


def answer(*arguments: object, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code))


def filled(net: nn.Module) -> nn.Module:
    return load_filled(net, {name: value.shape for name, value in net.state_dict().items()}, seed=7).eval()


def save_2018(path: Path, net: nn.Module) -> Path:
    """A checkpoint as the 2018 release wrote them."""
    state = {f"module.{k}": v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save({"epoch": 3, "arch": "resnet-18", "state_dict": state, "optimizer": {}}, path)
    return path


def save_bare(path: Path, net: nn.Module) -> Path:
    torch.save(net.state_dict(), path)
    return path


def save_half(path: Path, net: nn.Module) -> Path:
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}, path)
    return path


# -- ls


def test_every_published_file_is_listed_and_what_is_shipped_is_found(store: Path) -> None:
    rows = {row["name"]: row for row in answer("ls")}
    assert set(table.WEIGHTS) <= set(rows)
    shipped = rows["small2d.world"]
    assert [place["where"] for place in shipped["places"]] == ["shipped"] and shipped["size"] > 900_000
    assert rows["resnet101.imagenet1k_v1"]["places"] == [] and rows["resnet101.imagenet1k_v1"]["sha256"] == "63fe2227"
    assert [row["name"] for row in answer("ls", "--present")] == [
        "small2d.world",
        "pose2d.world",
        "people2d.world",
        "small3d.world",
        "people3d.world",
        "small_i3d.world",
        "small-flow.world",
        "small-depth.world",
        "small-pose.world",
    ]
    assert set(published.WEIGHTS) <= set(rows) and {row["backbone"] for row in answer("ls", "--backbone", "adabins-nyu")} == {"adabins-nyu"}
    assert {row["backbone"] for row in answer("ls", "--backbone", "r3d50")} == {"r3d50"}
    with pytest.raises(ConfigError, match="did you mean 'r3d50'"):
        run("ls", "--backbone", "r3d5o")


def test_configured_files_are_listed_whether_they_are_there_or_not(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "resnext-101-kinetics.pth"
    file.write_bytes(b"x" * 1000)
    settings = ["extract.motion.backbone=resnext101", "extract.motion.weights=kinetics400", f"extract.motion.weights_file={file}"]
    settings += ["extract.appearance.backbone=resnet18", "extract.appearance.weights=file", "extract.appearance.weights_file=mine.pth"]
    words = [word for setting in settings for word in ("--set", setting)]
    rows = {row["name"]: row for row in answer("ls", "--present", *words)}
    assert rows["resnext101.kinetics400"]["places"] == [{"where": "extract.motion.weights_file", "path": str(file)}]
    assert rows["resnext101.kinetics400"]["size"] == 1000
    assert rows["mine"]["places"] == [{"where": "extract.appearance.weights_file: not there", "path": "mine.pth"}]
    lines = run("ls", "--present", *words).splitlines()
    assert lines[0].split() == ["backbone", "weights", "file", "licence", "size", "where"]
    (line,) = [line for line in lines if line.split()[:2] == ["resnext101", "kinetics400"]]
    assert line.endswith(f"extract.motion.weights_file ({file})")


def test_an_imported_file_that_is_configured_is_one_row(store: Path, tmp_path: Path) -> None:
    path = answer("import", save_bare(tmp_path / "mine.pth", filled(resnet2d.resnet18(3))))["path"]
    settings = ["extract.appearance.backbone=resnet18", "extract.appearance.weights=file", f"extract.appearance.weights_file={path}"]
    rows = answer("ls", "--backbone", "resnet18", "--present", *(word for setting in settings for word in ("--set", setting)))
    assert [(row["name"], [place["where"] for place in row["places"]]) for row in rows] == [
        ("mine", ["imported", "extract.appearance.weights_file"])
    ]


def test_listing_loads_no_torch(store: Path) -> None:
    code = "import sys; from pipeline.cli import cli; cli.main(['weights', 'ls'], standalone_mode=False)"
    code += "; print([m for m in ('torch', 'numpy', 'h5py', 'safetensors') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert done.stdout.splitlines()[-1] == "[]"


# -- check


def test_a_published_layout_is_described(tmp_path: Path) -> None:
    file = save_2018(tmp_path / "resnet-18-kinetics.pth", filled(resnet3d.resnet_2018(18, shortcut="A")))
    facts = answer("check", file)
    want = {"family": "3-D ResNet", "backbone": "resnet18_3d", "depth": 18, "shortcut": "A", "classes": 400, "prefix": "module."}
    want |= {"key": "state_dict", "beside": ["epoch", "arch", "optimizer"], "counters": False, "left_out": [], "not_finite": {}}
    want |= {"known": "resnet18_3d.kinetics400", "because": "name", "parameters": 33_235_280, "dtypes": {"float32": 87}}
    assert {key: facts[key] for key in want} == want
    text = run("check", file, "--backbone", "resnet18_3d")
    assert "3-D ResNet, depth 18, shortcut A, 400 classes, 3 input channels" in text
    assert "resnet18_3d, every entry fits" in text
    assert "by its name alone (no digest is published)" in text
    assert "prefix 'module.', under the key state_dict beside epoch, arch, optimizer, without counters" in text


def test_the_wrong_backbone_is_refused_with_what_differs(tmp_path: Path) -> None:
    file = save_bare(tmp_path / "mine.pth", filled(resnet2d.resnet18(10)))
    with pytest.raises(DataError, match=r"mine.pth does not fit ResNet2D: 165 missing, 24 of another shape, of 320 entries\n  missing: "):
        run("check", file, "--backbone", "resnet50")
    with pytest.raises(ConfigError, match="did you mean 'resnet18'"):
        run("check", file, "--backbone", "resnet1B")


def test_colour_weights_are_not_flow_weights(tmp_path: Path) -> None:
    file = save_bare(tmp_path / "rgb.pt", i3d.i3d(5))
    assert "every entry fits" in run("check", file, "--backbone", "i3d")
    with pytest.raises(DataError, match=r"Conv3d_1a_7x7.conv3d.weight \[64, 3, 7, 7, 7\], not \[64, 2, 7, 7, 7\]"):
        run("check", file, "--backbone", "i3d_flow")


def test_values_that_are_not_finite_are_found_and_not_imported(store: Path, tmp_path: Path) -> None:
    net = resnet2d.resnet18(10)
    with torch.no_grad():
        net.layer1[0].conv1.weight[0, 0, 0] = float("nan")
        net.fc.bias[3] = float("inf")
    file = save_bare(tmp_path / "mine.pth", net)
    assert answer("check", file, code=1)["not_finite"] == {"layer1.0.conv1.weight": 3, "fc.bias": 1}
    assert "4 NaN or infinite in 2 entries: layer1.0.conv1.weight, fc.bias" in run("check", file, code=1)
    with pytest.raises(DataError, match=r"NaN or infinity in 2 entries, first layer1\.0\.conv1"):
        run("import", file)
    assert not (store / "weights").exists()


def test_a_file_with_a_published_name_and_other_bytes_is_called_out(store: Path, tmp_path: Path) -> None:
    file = save_bare(tmp_path / "resnet18-f37072fd.pth", resnet2d.resnet18())
    assert "NOT the published file of this name" in run("check", file, code=1)
    with pytest.raises(DataError, match="not the published file of its name"):
        run("import", file)


class Evil:
    """Unpickled without care, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("verb", ["check", "import"])
def test_code_in_a_file_is_not_run(store: Path, tmp_path: Path, verb: str) -> None:
    plain, zipped = tmp_path / "plain.pth", tmp_path / "zipped.pth"
    plain.write_bytes(pickle.dumps({"state_dict": Evil(tmp_path / "made")}))
    torch.save({"state_dict": Evil(tmp_path / "made")}, zipped)
    for file in (plain, zipped, tmp_path / "absent.pth"):
        with pytest.raises(DataError):
            run(verb, file)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before 1.6"])
@pytest.mark.parametrize(
    ("inside", "name"),
    [
        (argparse.Namespace(lr=0.1), "argparse.Namespace"),
        (np.float64(0.3), r"numpy\._core\.multiarray\.scalar"),
        (nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        (Path("x"), "pathlib.PosixPath"),
    ],
    ids=["arguments", "a number of numpy", "a module", "a path"],
)
def test_the_class_for_which_a_file_is_refused_is_named(inside: Any, name: str, old: bool, tmp_path: Path) -> None:
    file = tmp_path / "best.pth"
    torch.save({"state_dict": {"a": torch.ones(2)}, "best": inside}, file, _use_new_zipfile_serialization=not old)
    with pytest.raises(DataError, match=rf"best.pth is not tensors alone: it needs {name}, .*\n  if you trust .*weights_only=False"):
        run("check", file)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (
            {"epoch": 3, "model": {"a": torch.ones(2)}, "optimizer": {"state": {}, "groups": []}},
            r"the keys epoch \(int\), model \(1 tensors\), optimizer \(2 keys\)\n  are its weights under 'model'\? .*\['model'\]",
        ),
        ({f"key{number}": number for number in range(2000)}, r"key0 \(int\), .*key4 \(int\) … and 1,995 more"),
        ({"state_dict": {"a": 1, "b": {}}}, r"the keys a \(int\), b \(0 keys\) under 'state_dict'"),
        ([torch.ones(1)], "holds no state dict, but list"),
        (torch.ones(3, 4), r"holds no state dict, but a tensor \[3, 4\]"),
        ({}, "holds no state dict, but nothing"),
        ({"a": torch.ones(1).expand(10**9)}, r"a \[1000000000\] repeats the 4 bytes"),
        ({"a": torch.ones(2).to_sparse()}, "a is torch.float32, torch.sparse_coo"),
        ({"a": torch.ones(2, device="meta")}, "on meta: not plain numbers"),
    ],
)
def test_what_a_file_holds_instead_of_a_state_dict_is_named(held: Any, message: str, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "other.pth")
    with pytest.raises(DataError, match=rf"other\.pth.*{message}") as caught:
        run("check", tmp_path / "other.pth")
    assert len(str(caught.value).replace(str(tmp_path), "")) < 400


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"<!doctype html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (pickle.dumps({"a": [1]}, 4), "a pickle of protocol 4"),
    ],
)
def test_what_is_no_weights_file_is_called_by_its_name(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(data)
    with pytest.raises(DataError, match=rf"x\.pth is not a weights file that can be read safely: .*{message}"):
        run("check", tmp_path / "x.pth")


def test_an_archive_of_compressed_files_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("resnet/data.pkl", bytes(1 << 20))
    with pytest.raises(DataError, match=r"x\.zip is no torch file: resnet/data\.pkl inside is compressed\n  .*unpack it"):
        run("check", tmp_path / "x.zip")


# -- import

NETS: dict[str, tuple[str, Callable[[], nn.Module], Callable[[Path, nn.Module], Path]]] = {
    "2018 layout, shortcut A": ("resnet18_3d", lambda: resnet3d.resnet_2018(18, shortcut="A", n_classes=7), save_2018),
    "half precision": ("resnet18", lambda: resnet2d.resnet18(7), save_half),
    "torchvision": ("mobilenet_v3_small", mobilenetv3.mobilenet_v3_small, save_bare),
    "pytorch-i3d": ("i3d", i3d.i3d, save_bare),
}


@pytest.mark.parametrize("name", NETS)
def test_an_imported_file_gives_the_features_of_its_original(store: Path, tmp_path: Path, name: str) -> None:
    backbone, make, save = NETS[name]
    file = save(tmp_path / "original.pth", filled(make()))
    told = answer("import", file)
    assert (told["name"], told["backbone"], told["new"]) == ("original", backbone, True)
    entry = find(backbone)
    options = {"image_size": 32, "frames": 16, "seed": 0, "device": "cpu"}
    nets = [load_network(entry, "file", path, **options) for path in (file, Path(told["path"]))]
    x = torch.rand(2, 3, 32, 32) if entry.frames == 1 else torch.rand(1, 3, 16, 32, 32)
    with torch.inference_mode():
        want, got = (net.feature(x) for net in nets)
    assert torch.equal(want, got) and want.abs().max() > 0
    state = read_state(Path(told["path"]))
    assert {value.dtype for value in state.values()} == {torch.float32, torch.int64}


def test_equal_input_gives_equal_bytes_and_an_account_of_its_origin(store: Path, tmp_path: Path) -> None:
    file = save_2018(tmp_path / "resnet-18-kinetics.pth", filled(resnet3d.resnet_2018(18, shortcut="A")))
    first = answer("import", file)
    assert first["name"] == "resnet18_3d.kinetics400"
    path = Path(first["path"])
    assert path == store / "weights" / "resnet18_3d.kinetics400.safetensors"
    before = path.read_bytes()
    assert answer("import", file)["new"] is False
    again = answer("import", file, "--as", "again")
    assert Path(again["path"]).read_bytes() == before and again["sha256"] == first["sha256"]
    origin = converted.verify(path)
    assert (origin.file, origin.backbone, origin.known) == ("resnet-18-kinetics.pth", "resnet18_3d", "resnet18_3d.kinetics400")
    assert origin.sha256 == answer("check", file)["sha256"] and "prefix 'module.'" in origin.kind
    third = answer("import", path, "--as", "third")
    assert Path(third["path"]).read_bytes() == before
    row = next(row for row in answer("ls", "--present") if row["name"] == "resnet18_3d.kinetics400")
    assert [place["where"] for place in row["places"]] == ["imported"] * 3
    assert not list((store / "tmp").iterdir())


def test_imported_weights_can_stand_for_the_published_ones(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save_bare(tmp_path / "resnet18-f37072fd.pth", filled(resnet2d.resnet18()))
    digest = converted.digest(file.read_bytes())
    known = table.Weights("resnet18.imagenet1k_v1", "resnet18", file.name, "", "", 224, (), (), sha256=digest[:8])
    monkeypatch.setitem(published.WEIGHTS, known.name, known)
    told = answer("import", file)
    assert told["known"] == "resnet18.imagenet1k_v1"
    path = Path(told["path"])
    assert table.check(known, path) == path
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 1
    other = tmp_path / "damaged.safetensors"
    other.write_bytes(damaged)
    with pytest.raises(DataError, match="damaged: its tensors are not those"):
        table.check(known, other)
    with pytest.raises(DataError, match="damaged"):
        run("check", other)


def test_the_backbone_of_a_whole_model_is_imported_and_its_heads_are_named(store: Path, tmp_path: Path) -> None:
    net = filled(i3d.topi3d(n_classes=0))
    state = {f"backbone._model.{k}": v for k, v in net.state_dict().items()} | {
        "deconv1.0.weight": torch.ones(2),
        "Att.bias": torch.ones(1),
    }
    torch.save(state, tmp_path / "thumos14-rgb.ckpt")
    told = answer("import", tmp_path / "thumos14-rgb.ckpt")
    assert (told["name"], told["backbone"], told["left_out"]) == ("topi3d.thumos14", "topi3d", 2)
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in read_state(Path(told["path"])).items())
    assert "2 entries that are not the backbone's: deconv1.0.weight, Att.bias" in run("check", tmp_path / "thumos14-rgb.ckpt")


def test_a_flow_checkpoint_is_read_by_position_when_asked(store: Path, tmp_path: Path) -> None:
    net = filled(i3d.topi3d(51, 2))
    torch.save({f"net.{n}": v for n, v in enumerate(net.state_dict().values())} | {"head": torch.ones(1)}, tmp_path / "flow.ckpt")
    with pytest.raises(DataError, match=r"flow\.ckpt: no backbone that kdpipe knows"):
        run("check", tmp_path / "flow.ckpt")
    with pytest.raises(ConfigError, match="needs a backbone"):
        run("check", tmp_path / "flow.ckpt", "--by-position")
    facts = answer("check", tmp_path / "flow.ckpt", "--by-position", "--backbone", "topi3d_flow")
    assert (facts["classes"], facts["left_out"]) == (51, ["head"])
    text = run("import", tmp_path / "flow.ckpt", "--by-position", "--backbone", "topi3d_flow")
    assert "--set extract.flow.backbone=topi3d_flow --set extract.flow.weights=flow" in text
    state = read_state(store / "weights" / "flow.safetensors")
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in state.items())


def test_other_weights_are_not_replaced_unless_told(store: Path, tmp_path: Path) -> None:
    one = save_bare(tmp_path / "One File.pth", filled(mobilenetv3.mobilenet_v3_small(3)))
    two = save_bare(tmp_path / "two.pth", mobilenetv3.mobilenet_v3_small(3))
    assert answer("import", one)["name"] == "one-file"
    with pytest.raises(DataError, match="other weights are called one-file already"):
        run("import", two, "--as", "one-file")
    assert answer("import", two, "--as", "one-file", "--force")["new"] is True
    for name in ("../up", "A", "", ".hidden"):
        if name:
            with pytest.raises(ConfigError, match="cannot be a name of weights"):
                run("import", two, "--as", name)


def test_a_store_with_imported_weights_is_in_order(store: Path, tmp_path: Path) -> None:
    run("import", save_bare(tmp_path / "a.pth", filled(mobilenetv3.mobilenet_v3_small(3))))
    assert list(Fsck(Store(store), share=1.0)) == []
    done = CliRunner().invoke(cli, ["fsck", "--all"])
    assert done.exit_code == 0, done.output


def test_a_flipped_bit_in_imported_weights_is_found(store: Path, tmp_path: Path) -> None:
    run("import", save_bare(tmp_path / "a.pth", filled(mobilenetv3.mobilenet_v3_small(3))))
    (path,) = (store / "weights").iterdir()
    data = bytearray(path.read_bytes())
    data[-5] ^= 16
    path.chmod(0o644)
    path.write_bytes(data)
    done = CliRunner().invoke(cli, ["fsck", "--all"])
    assert done.exit_code == 1 and "weights" in done.output and "kdpipe weights import" in done.output


def test_a_network_that_is_none_of_the_registrys_is_described_and_not_imported(store: Path, tmp_path: Path) -> None:
    file = save_bare(tmp_path / "narrow.pth", resnet3d.resnet_2020(10, widen_factor=0.25, n_classes=5))
    text = run("check", file)
    assert "3-D ResNet, depth 10, shortcut B, 5 classes" in text and "none of the registry's" in text
    with pytest.raises(DataError, match="none of the registry's networks"):
        run("import", file)
