"""PCA with whitening, the step between a network's output and the bytes of YouTube-8M.

z = (f - mean) V, V the leading eigenvectors of the covariance; then z / sqrt(eigenvalue + 1e-4). What a reader undoes in part by
"reverse whitening" needs the eigenvalues: they are kept as the public archive has them, float32 (width, 1), descending.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.npy import open_npy

Floats = npt.NDArray[np.float32]
EPSILON = 1e-4
#: names of the public archive
FILES = ("mean.npy", "eigenvals.npy", "eigenvecs.npy")


@dataclass(frozen=True)
class Whitening:
    """``mean`` (F,), ``eigenvalues`` (F,) descending, ``vectors`` (F, d): a column each."""

    mean: Floats
    eigenvalues: Floats
    vectors: Floats

    def __call__(self, features: Floats) -> Floats:
        """(n, F) -> whitened (n, d), on one thread: the bits do not depend on the number of cores."""
        import torch

        with one_thread():
            turned = torch.from_numpy(features - self.mean) @ torch.from_numpy(self.vectors)
        z: Floats = turned.numpy() / np.sqrt(self.eigenvalues[: self.vectors.shape[1]] + np.float32(EPSILON))
        return z

    def save(self, folder: Path, prefix: str = "") -> None:
        """Write ``mean.npy`` (F, 1), ``eigenvals.npy`` (F, 1) and ``eigenvecs.npy`` (d, F), a vector a row, as the public archive does."""
        for name, array in zip(FILES, (self.mean[:, None], self.eigenvalues[:, None], np.ascontiguousarray(self.vectors.T))):
            np.save(folder / f"{prefix}{name}", array, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, width: int, prefix: str = "") -> Whitening:
        """Read :meth:`save`, or the public archive, for ``width`` outputs. Raises DataError if it does not fit."""
        hint = f"expected {', '.join(FILES)} as in the public archive"
        arrays = [open_npy(folder / f"{prefix}{name}", hint=hint).astype(np.float32) for name in FILES]
        mean, values, vectors = arrays[0].ravel(), arrays[1].ravel(), arrays[2].T
        if vectors.ndim != 2 or not len(mean) == len(vectors) or min(len(values), vectors.shape[1]) < width:
            raise DataError(
                f"{folder}: mean {mean.shape}, eigenvalues {values.shape}, eigenvectors {vectors.shape} do not fit {width} outputs"
            )
        return cls(mean, values, np.ascontiguousarray(vectors[:, :width]))


def fit(features: Floats, width: int) -> Whitening:
    """The whitening of ``features`` (n, F) to ``width`` numbers. On one thread, signs fixed: the same features give the same bits."""
    import torch

    with one_thread():
        x = torch.from_numpy(features).double()
        mean = x.mean(0)
        x = x - mean
        values, vectors = torch.linalg.eigh(x.T @ x / max(1, len(x) - 1))
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)[:, :width]
        signs = torch.sign(vectors.gather(0, vectors.abs().argmax(0, keepdim=True)))
        return Whitening(mean.float().numpy(), values.float().numpy(), (vectors * signs).float().contiguous().numpy())


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, and afterwards as many as before."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
