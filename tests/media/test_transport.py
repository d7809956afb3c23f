"""The size of a transport stream tells of a cut, in each shape of packets."""

from __future__ import annotations

from pathlib import Path

import pytest

from media import transport
from media.decode import count_frames
from media.transport import damage
from tests.media.zoo import write


def reshaped(data: bytes, before: int, after: int) -> bytes:
    return b"".join(bytes(before) + data[at : at + 188] + bytes(after) for at in range(0, len(data), 188))


@pytest.mark.parametrize(("before", "after"), [(0, 0), (4, 0), (0, 16)])
def test_whole_packets_are_whole_and_a_part_of_one_is_not(tmp_path: Path, before: int, after: int) -> None:
    path = tmp_path / "a.ts"
    data = reshaped(write(path).read_bytes(), before, after)
    path.write_bytes(data)
    assert damage(path) == "" and count_frames(path).verdict() == ("ok", "")
    path.write_bytes(data[:-100])
    size = 188 + before + after
    assert damage(path) == f"the file ends {size - 100} bytes into a packet of {size}: it may be cut off"


def test_what_is_no_transport_stream_says_nothing(tmp_path: Path) -> None:
    for content in (b"", b"G", b"G" * 100, b"x" * 5000):
        (tmp_path / "a.ts").write_bytes(content)
        assert damage(tmp_path / "a.ts") == ""


def test_a_packet_that_does_not_begin_is_found_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.ts")
    whole = path.read_bytes()
    for packets in (3, 8192):
        monkeypatch.setattr(transport, "PACKETS", packets)
        for place in (188 * 7, 188 * 20, len(whole) - 188):
            path.write_bytes(whole[:place] + b"x" + whole[place + 1 :])
            assert damage(path) == f"the file is damaged at byte {place}: no packet begins there"
