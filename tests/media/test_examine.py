"""A look at a file before the work: its facts and the state that the work would end in."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from cache.digest import digest_file
from cache.memo import DigestMemo
from cache.npy import Form
from media.encode import write_video
from media.examine import Look, examine
from tests.media.zoo import cut, headless, picture, silence, write


def test_the_facts_of_a_whole_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi", codec="mpeg4")
    shown = {"container": "avi", "codec": "mpeg4", "audio": "", "width": 64, "height": 48, "rate": 10.0, "header": 20}
    whole = {"state": "ok", "reason": "", "size": path.stat().st_size, "digest": digest_file(path), **shown}
    assert examine(Look(str(path))) == {**whole, "count": None}
    assert examine(Look(str(path), decode=True)) == {**whole, "count": 20}


@pytest.mark.parametrize(
    ("name", "make", "light", "full"),
    [
        ("a.mkv", partial(cut, share=0.6, numbers=range(100)), "damaged", "damaged"),
        ("a.ts", partial(write, change=headless, options={"g": "10"}), "damaged", "damaged"),
        ("a.avi", partial(cut, share=0.6, numbers=range(100), codec="mpeg4"), "ok", "damaged"),
        ("a.mp4", silence, "no_video", "no_video"),
        ("b.mp4", lambda path: path.write_bytes(b""), "empty", "empty"),
        ("c.mp4", lambda path: path, "missing", "missing"),
        ("d.mp4", lambda path: path.write_text("x" * 999), "not_media", "not_media"),
    ],
)
def test_the_state_is_the_samplers_as_far_as_one_frame_tells(tmp_path: Path, name: str, make, light: str, full: str) -> None:
    make(tmp_path / name)
    assert examine(Look(str(tmp_path / name)))["state"] == light
    assert examine(Look(str(tmp_path / name), decode=True))["state"] == full


def test_a_digest_is_remembered_for_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cache.memo.RACY_NS", -60_000_000_000)  # also of a file written a moment ago
    path, memo = write(tmp_path / "a.mp4"), tmp_path / "memo" / "digests.log"
    assert examine(Look(str(path), memo=str(memo)))["digest"] == digest_file(path)
    assert DigestMemo(memo).known(path) == digest_file(path)


def with_sound(path: Path, pictures: bool = True) -> Path:
    """A second of sound, beside ten pictures if wanted."""
    with av.open(str(path), "w") as out:
        film = out.add_stream("mpeg4", rate=10) if pictures else None
        sound = out.add_stream(
            {".mp3": "libmp3lame", ".wav": "pcm_s16le", ".flac": "flac"}.get(path.suffix, "aac"), rate=16000, layout="mono"
        )
        if film is not None:
            film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
            for number in range(10):
                out.mux(film.encode(av.VideoFrame.from_ndarray(picture(number)).reformat(format="yuv420p")))
            out.mux(film.encode(None))
        for number in range(16):
            wave = (np.sin(np.arange(number * 1000, number * 1000 + 1000) / 5) * 9000).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, number * 1000
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "streams", "state"),
    [
        ("both.mp4", ("video", "audio"), "ok"),
        ("both.mp4", ("audio",), "ok"),
        ("sound.wav", ("audio",), "ok"),
        ("sound.flac", ("audio",), "ok"),
        ("sound.mp3", ("audio",), "ok"),
        ("sound.m4a", ("audio",), "ok"),
        ("sound.wav", ("video",), "no_video"),
        ("sound.m4a", ("video", "audio"), "no_video"),
        ("silent.mp4", ("audio",), "no_audio"),
        ("silent.mp4", ("video", "audio"), "no_audio"),
        ("silent.mp4", ("video",), "ok"),
        ("text.wav", ("audio",), "not_media"),
    ],
)
@pytest.mark.parametrize("decode", [False, True])
def test_a_file_has_to_have_the_streams_that_its_layout_needs(
    tmp_path: Path, name: str, streams: tuple[str, ...], state: str, decode: bool
) -> None:
    path = tmp_path / name
    if path.stem == "text":
        path.write_text("x" * 999)
    elif path.stem == "silent":
        write(path, codec="mpeg4")
    else:
        with_sound(path, pictures=path.stem == "both")
    found = examine(Look(str(path), decode, streams=streams))
    assert found["state"] == state and bool(found["reason"]) == (state != "ok")
    if streams == ("audio",) and state == "ok":
        assert found["rate"] == 16000 and found["audio"] and "width" not in found


def test_sound_that_begins_with_silence_is_not_silent_and_needs_no_resampler_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    for name, loud in (("late.wav", 0.5), ("never.wav", 0.0)):
        wave = np.zeros(88_200, np.float32)
        wave[44_100:] = loud * np.sin(np.arange(44_100) / 5)
        write_video(tmp_path / name, None, 10, wave, 44_100)
    states = {
        decode: [examine(Look(str(tmp_path / name), decode, streams=("audio",)))["state"] for name in ("late.wav", "never.wav")]
        for decode in (False, True)
    }
    assert states == {False: ["ok", "ok"], True: ["ok", "silent"]}


def test_an_array_is_examined_by_its_form(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 2), np.uint8))
    look = Look(str(tmp_path / "a.npy"), form=Form("uint8", (None, 2)))
    assert examine(look)["state"] == "ok" and examine(look)["digest"] == digest_file(tmp_path / "a.npy")
    found = examine(replace(look, form=Form("float32", (None, 2))))
    assert found["state"] == "not_media" and "float32 [any, 2], but uint8 [3, 2]" in found["reason"]
