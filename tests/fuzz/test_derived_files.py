"""Files of flow, depth and skeletons that people bring: whatever lies there, it is read or refused by name."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from formats import afsd_npy, clip_list, flo, l8, two_stream
from formats.still import read_still
from tests.fuzz.files import WRONG, refusal, shrinking, spoilt


def picture(form: str) -> bytes:
    y, x = np.mgrid[:12, :20]
    Image.fromarray((x * 10 + y).astype(np.uint8)).save(buffer := io.BytesIO(), form)
    return buffer.getvalue()


def npy() -> bytes:
    np.save(buffer := io.BytesIO(), np.zeros((3, 4, 5, 2), np.uint8))
    return buffer.getvalue()


#: name of a file -> how it is read, and one that is whole
READERS: dict[str, tuple[Callable[[Path], Any], bytes]] = {
    "a.flo": (flo.read, flo.encode(np.zeros((4, 5, 2), np.float32))),
    "a.npy": (lambda path: np.array(afsd_npy.read(path)), npy()),
    "a.jpg": (read_still, picture("JPEG")),
    "a.png": (lambda path: read_still(path, "L"), picture("PNG")),
    "train_flow_split1.txt": (clip_list.read, b"v_a 12 0\nv_b 9 1\n"),
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_such_file_is_refused(name: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRONG[what](path)
    assert refusal(path, lambda: READERS[name][0](path)) is not None or (name, what) == ("train_flow_split1.txt", "an empty file")


@pytest.mark.parametrize("name", ["a.flo", "a.npy"])
def test_arrays_cut_at_any_byte_are_refused(name: str, tmp_path: Path) -> None:
    read, data = READERS[name]
    for size in shrinking(tmp_path / name, data):
        assert refusal(tmp_path / name, lambda: read(tmp_path / name)) is not None, size


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spoilt_files_are_read_or_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    read, whole = READERS[name]
    (tmp_path / name).write_bytes(data.draw(spoilt(whole)))
    refusal(tmp_path / name, lambda: read(tmp_path / name))


def test_a_picture_of_a_million_by_a_million_pixels_is_refused(tmp_path: Path) -> None:
    head = picture("PNG")
    side = (1_000_000).to_bytes(4, "big")
    import zlib

    body = b"IHDR" + side + side + head[24:29]
    (tmp_path / "a.png").write_bytes(head[:8] + head[8:12] + body + zlib.crc32(body).to_bytes(4, "big") + head[33:])
    assert refusal(tmp_path / "a.png", lambda: read_still(tmp_path / "a.png")) is not None


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("read", [two_stream.read, l8.read])
def test_what_is_no_folder_of_pictures_is_refused(read: Callable[[Path], Any], what: str, tmp_path: Path) -> None:
    path = tmp_path / "video"
    WRONG[what](path)
    assert refusal(path, lambda: read(path)) is not None
