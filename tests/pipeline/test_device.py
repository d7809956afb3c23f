"""A device that there is not is said at once, without torch, with what is possible."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cache.errors import ConfigError
from pipeline.cli import cli
from pipeline.device import default_device, device_class, gpus_to_share, known_device, require_device

RUNS = (("run", "features"), ("extract",), ("distill", "--stage", "teacher"), ("plan",), ("plan", "--make"), ("run", "report", "--dry-run"))


@pytest.fixture(autouse=True)
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("KDPIPE_DEVICE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KDPIPE_STORE", str(tmp_path / "store"))
    (tmp_path / "dev").mkdir()
    return tmp_path / "dev"


@pytest.mark.parametrize("device", ["gpu", "CPU", "mps", "cuda:", "cuda:x", "cuda0", "cuda:-1", "cuda:1 ", "tpu", "x" * 10_000, "cuda:٣"])
def test_a_name_that_is_no_device_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match="there is no device") as refused:
        known_device(device)
    assert "cpu, cuda or cuda:N" in refused.value.hint and len(str(refused.value)) < 200


def test_a_gpu_needs_a_driver_that_is_shown_to_us(no_gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_device("cpu", no_gpu)
    with pytest.raises(ConfigError, match="no driver of a GPU"):
        require_device("cuda", no_gpu)
    for name in ("nvidiactl", "nvidia0", "nvidia3", "nvidia-uvm"):
        (no_gpu / name).touch()
    require_device("cuda", no_gpu)
    require_device("cuda:1", no_gpu)
    with pytest.raises(ConfigError, match="there is cuda:0 to cuda:1"):
        require_device("cuda:2", no_gpu)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(ConfigError, match="there is cuda:0"):
        require_device("cuda:1", no_gpu)
    for hidden in ("", "-1", "NoDevFiles"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        with pytest.raises(ConfigError, match="hides every GPU"):
            require_device("cuda", no_gpu)


def test_drivers_without_numbered_gpus_are_drivers(no_gpu: Path) -> None:
    (no_gpu / "dxg").touch()
    require_device("cuda:5", no_gpu)
    assert device_class("cuda:5") == "cuda"


def test_gpus_are_shared_out_unless_one_was_named_or_none_is_known(no_gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpus_to_share("cuda", no_gpu) == []
    for name in ("nvidiactl", "nvidia0", "nvidia1"):
        (no_gpu / name).touch()
    assert gpus_to_share("cuda", no_gpu) == ["0", "1"]
    assert gpus_to_share("cuda:1", no_gpu) == gpus_to_share("cpu", no_gpu) == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-8f")
    assert gpus_to_share("cuda", no_gpu) == ["2", "GPU-8f"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus_to_share("cuda", no_gpu) == []


@pytest.mark.parametrize("verb", RUNS, ids=" ".join)
@pytest.mark.parametrize("by", ["option", "environment"])
def test_whatever_would_run_something_refuses_at_once(verb: tuple[str, ...], by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.device.DRIVERS", ())
    for device, says in (("gpu", "there is no device"), ("cuda", "no driver of a GPU")):
        words = ["--device", device] if by == "option" else []
        monkeypatch.setenv("KDPIPE_DEVICE", device if by == "environment" else "")
        done = CliRunner().invoke(cli, [*verb, "--dataset", "tiny", *words])
        assert isinstance(done.exception, ConfigError) and says in str(done.exception) and not done.output


def test_where_a_gpu_s_results_stand_can_be_seen_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.device.DRIVERS", ())
    assert CliRunner().invoke(cli, ["status", "--dataset", "tiny", "--device", "cuda"]).exit_code == 0


def test_the_default_is_the_cpu_where_every_gpu_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert default_device() == "cpu"
