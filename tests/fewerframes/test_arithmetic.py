"""From bytes to network input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cache.errors import ConfigError, DataError
from systems.fewerframes.arithmetic import Normalisation, dequantise, load_eigenvalues

EIGENVALUES = np.linspace(14.0, 0.1, 8, dtype=np.float32)


def codes() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    present = torch.tensor([[True, True, True], [True, False, False]])
    return torch.randint(0, 256, (2, 3, 10), dtype=torch.uint8, generator=generator), present


def test_the_ends_of_the_range_are_half_a_step_too_high() -> None:
    assert dequantise(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == pytest.approx([-1.9921875, 2.0078125])


@pytest.mark.parametrize("name", ["whitening", "l2", "none"])
def test_what_stands_in_padded_rows_never_reaches_the_network(name: str) -> None:
    q, present = codes()
    normalise = Normalisation(name, torch.from_numpy(EIGENVALUES))
    other = q.clone()
    other[~present] = 255 - other[~present]
    assert torch.equal(normalise.network_input(q, present), normalise.network_input(other, present))


def test_whitening_moves_padded_rgb_and_leaves_padded_audio_at_zero() -> None:
    q, present = codes()
    x = Normalisation("whitening", torch.from_numpy(EIGENVALUES)).network_input(q, present)
    padding = x[1, 1]
    assert (padding[:8] < 0).all() and (padding[8:] == 0).all()


def test_l2_gives_real_frames_length_one_and_padding_length_zero() -> None:
    q, present = codes()
    lengths = Normalisation("l2").network_input(q, present).norm(dim=-1)
    assert torch.allclose(lengths, present.float())


@pytest.mark.parametrize("shape", [(2048, 1), (1024,), (1024, 1)])
def test_eigenvalues_are_read_in_the_published_shape_and_cut(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.arange(shape[0], 0, -1, dtype=np.float32)
    np.save(tmp_path / "eigenvals.npy", values.reshape(shape))
    assert np.array_equal(load_eigenvalues(tmp_path / "eigenvals.npy"), values[:1024])
    assert load_eigenvalues(tmp_path / "eigenvals.npy").flags.writeable  # torch warns of memory that is not


@pytest.mark.parametrize("values", [np.ones(512), np.ones((2, 1024)), -np.ones(1024), np.full(1024, np.nan)])
def test_an_array_that_holds_no_eigenvalues_is_refused(values: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "eigenvals.npy", values)
    with pytest.raises(DataError, match=r"eigenvals\.npy: eigenvalues"):
        load_eigenvalues(tmp_path / "eigenvals.npy")


def test_missing_eigenvalues_are_an_error_that_names_the_way_around(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="normalisation: l2 or none"):
        load_eigenvalues(tmp_path / "no.npy")
    with pytest.raises(ConfigError, match="eigenvalues"):
        Normalisation("whitening")


def test_an_unknown_normalisation_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="whitening"):
        Normalisation("whitning")
