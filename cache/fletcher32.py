"""The checksum that HDF5's fletcher32 filter puts behind a chunk.

Filter 3 of the HDF5 File Format Specification ("Filter Pipeline Message"); after J. G. Fletcher, "An Arithmetic Checksum for Serial
Transmissions" (1982). Of the chunk's bytes as big-endian 16-bit words w_0 .. w_{n-1}, the last one padded with a zero byte:
s1 = sum of w_i, s2 = sum of (n - i) w_i, both modulo 65535 with 65535 in place of 0 for a sum that is not zero; the checksum is
s2 * 65536 + s1, kept behind the chunk as four bytes, little-endian.
"""

from __future__ import annotations

import numpy as np

#: Bytes of a checksum behind a chunk.
SIZE = 4
MODULUS = 65535
#: Words that are summed at a time: small enough for the processor's cache.
PIECE = 1 << 13
#: Sums of a piece stay below 2 ** 53, so doubles hold them exactly, in whatever order they are added up.
PLACES = np.arange(PIECE, dtype=np.float64)


def fletcher32(data: bytes | memoryview) -> bytes:
    """The checksum of ``data`` (any number of bytes), as the four bytes that follow it in an HDF5 file."""
    octets = np.frombuffer(data, np.uint8)
    if len(octets) % 2:
        octets = np.append(octets, np.uint8(0))
    words = octets.view("<u2")
    s1 = s2 = 0
    for start in range(0, len(words), PIECE):
        piece = words[start : start + PIECE].astype(np.float64)
        total = int(piece.sum())
        s1 += total
        s2 += (len(words) - start) * total - int(piece @ PLACES[: len(piece)])
    return (_folded(s2) << 16 | _folded(s1)).to_bytes(SIZE, "little")


def _folded(total: int) -> int:
    """The sum of the big-endian words, modulo 65535, from that of the little-endian ones: swapping two bytes multiplies by 256."""
    return (256 * total - 1) % MODULUS + 1 if total else 0
