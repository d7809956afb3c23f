"""The checksum of HDF5 chunks, beside what HDF5 itself writes."""

from __future__ import annotations

import io

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.fletcher32 import PIECE, fletcher32


def of_hdf5(data: bytes) -> bytes:
    """What HDF5's filter puts behind ``data``."""
    with h5py.File(io.BytesIO(), "w") as file:
        rows = file.create_dataset("x", data=np.frombuffer(data, np.uint8), chunks=(len(data),), fletcher32=True)
        chunk: bytes = rows.id.read_direct_chunk((0,))[1]
    assert chunk[: len(data)] == data
    return chunk[len(data) :]


@given(st.binary(min_size=1, max_size=3000))
def test_the_checksum_of_any_bytes_is_hdf5s(data: bytes) -> None:
    assert fletcher32(data) == of_hdf5(data)


@pytest.mark.parametrize("size", [1, 2, 3, 720, 721, 2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 1, 65536, 1 << 20])
def test_sizes_about_a_piece_and_extreme_bytes_agree_with_hdf5(size: int) -> None:
    for data in (
        np.random.default_rng(size).bytes(size),
        bytes(size),
        b"\xff" * size,
        bytes(size - 1) + b"\x01",
        b"\x01" + bytes(size - 1),
    ):
        assert fletcher32(data) == of_hdf5(data)


def test_bytes_at_an_odd_address_have_the_same_checksum() -> None:
    data = np.random.default_rng(0).bytes(1001)
    assert fletcher32(memoryview(b"x" + data)[1:]) == fletcher32(data)


def test_every_flipped_bit_changes_the_checksum() -> None:
    data = np.random.default_rng(1).bytes(64)
    good = fletcher32(data)
    for bit in range(8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        assert fletcher32(bytes(bad)) != good
