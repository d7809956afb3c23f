"""The random state of a training run: seeded once, saved, restored."""

from __future__ import annotations

import contextlib
import os
import random
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

#: PyTorch's warnings, beginning with the name of the operation
UNREPEATABLE = r"(.+?) (?:does not have a deterministic implementation|defaults to a non-deterministic algorithm)"


def make_deterministic(seed: int, *, threads: int = 1) -> None:
    """Seed torch (all devices), numpy and Python, and choose the deterministic form of every operation that has one.

    ``threads`` is the number of threads of one operation on the CPU: sums are split by it, so it can change the last
    bits and belongs to the key of a result.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS and cuDNN's LSTMs repeat their bits only with this
    torch.set_deterministic_debug_mode("warn")  # what use_deterministic_algorithms sets, but that loads PyTorch's compiler, for seconds
    torch.utils.deterministic.fill_uninitialized_memory = False  # costs time; no operation here reads memory it did not write
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextlib.contextmanager
def noting(found: list[str]) -> Iterator[None]:
    """Append to ``found``, once each, the operations of PyTorch that run inside without a form that repeats its bits.

    On a GPU some have none, or one that is taken only where the other is forbidden (:func:`make_deterministic` admits them, and PyTorch
    warns): what they compute may differ in the last bits from run to run.
    """
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # a training before this one in the same process may have been warned of the same
    with warnings.catch_warnings():
        warnings.filterwarnings("always", message=UNREPEATABLE)
        shown = warnings.showwarning

        def note(message: Warning | str, *rest: Any, **more: Any) -> None:
            about = re.match(UNREPEATABLE, str(message))
            if about is None:
                shown(message, *rest, **more)
            elif about[1] not in found:
                found.append(about[1])

        warnings.showwarning = note
        try:
            yield
        finally:
            torch.set_warn_always(always)


def random_state() -> dict[str, Any]:
    """The state of all generators, in types that ``torch.load(weights_only=True)`` reads back."""
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, internal, python_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), float(gauss)],
        "python": [version, list(internal), python_gauss],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put the generators back to a state of :func:`random_state`."""
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, internal, python_gauss = state["python"]
    random.setstate((version, tuple(internal), python_gauss))


def epoch_order(n: int, seed: int, epoch: int) -> torch.Tensor:
    """A permutation of 0..n-1 that depends on nothing but (n, seed, epoch): resuming needs no sampler state. int64 (n,)."""
    generator = torch.Generator()
    generator.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return torch.randperm(n, generator=generator)
