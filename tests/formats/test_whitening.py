"""PCA with whitening as the published features went through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cache.errors import DataError
from formats.whitening import FILES, Whitening, fit


@pytest.fixture
def features() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.standard_normal((500, 6)) * [9, 5, 3, 1, 0.5, 0.2] @ rng.standard_normal((6, 6)) + 3).astype(np.float32)


def test_whitened_features_are_uncorrelated_with_variance_one(features: np.ndarray) -> None:
    z = fit(features, 4)(features)
    assert z.shape == (500, 4)
    assert np.abs(np.cov(z.T) - np.eye(4)).max() < 0.01


def test_eigenvalues_descend_and_are_the_variances(features: np.ndarray) -> None:
    whitening = fit(features, 6)
    turned = (features - whitening.mean) @ whitening.vectors
    assert np.allclose(turned.var(0, ddof=1), whitening.eigenvalues, rtol=1e-3)
    assert (np.diff(whitening.eigenvalues) <= 0).all()


def test_multiplying_by_the_root_of_the_eigenvalues_reverses_it_but_for_epsilon(features: np.ndarray) -> None:
    whitening = fit(features, 6)
    back = whitening(features) * np.sqrt(whitening.eigenvalues + 1e-4) @ whitening.vectors.T + whitening.mean
    assert np.abs(back - features).max() < 1e-2


def test_it_is_kept_as_in_the_public_archive(features: np.ndarray, tmp_path: Path) -> None:
    whitening = fit(features, 4)
    whitening.save(tmp_path)
    assert np.load(tmp_path / "eigenvals.npy").shape == (6, 1)
    again = Whitening.load(tmp_path, 3)
    assert np.array_equal(again(features), Whitening(whitening.mean, whitening.eigenvalues, whitening.vectors[:, :3].copy())(features))


def test_an_archive_that_does_not_fit_is_refused(features: np.ndarray, tmp_path: Path) -> None:
    fit(features, 4).save(tmp_path)
    with pytest.raises(DataError, match="do not fit 5 outputs"):
        Whitening.load(tmp_path, 5)
    (tmp_path / FILES[2]).unlink()
    with pytest.raises(DataError, match=r"eigenvecs\.npy cannot be read: .*\n.*public archive"):
        Whitening.load(tmp_path, 4)


def test_dimensions_without_variance_give_no_infinity(features: np.ndarray) -> None:
    features[:, 2] = features[:, 1]
    assert np.isfinite(fit(features[:4], 6)(features)).all()
