"""A flash and a sound of one instant are of one instant, whatever container and codec they were written with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from media import priming
from tests.media.synced import Film, flashed, heard, make

#: Seconds that they may be apart: a thirtieth of a picture at 30 a second, and the precision of stamps in milliseconds.
TOLERANCE = 1.05e-3
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
FILMS = [
    Film("aac.mp4", "aac"),
    Film("aac-b.mp4", "aac", bframes=2),
    Film("opus.mp4", "libopus", rate=48_000),
    Film("mp3.mp4", "libmp3lame"),
    Film("ac3.mp4", "ac3"),
    Film("aac.mov", "aac"),
    Film("pcm.mov", "pcm_s16le"),
    Film("fragments.mp4", "aac", options=FRAGMENTS),
    Film("fragments-b.mp4", "aac", bframes=2, options=FRAGMENTS),
    Film("fragments-b-25.mp4", "aac", bframes=2, fps=25, options=FRAGMENTS),
    Film("fragments-b-60.mp4", "aac", bframes=2, fps=60, options=FRAGMENTS),
    Film("fragments-late-head.mp4", "aac", bframes=2, options={"movflags": "frag_keyframe+delay_moov"}),
    Film("aac.mkv", "aac"),
    Film("aac-b.mkv", "aac", bframes=2),
    Film("mp3.mkv", "libmp3lame"),
    Film("ac3.mkv", "ac3"),
    Film("flac.mkv", "flac"),
    Film("pcm.mkv", "pcm_s16le"),
    Film("opus.webm", "libopus", video="libvpx", rate=48_000),
    Film("vorbis.webm", "vorbis", video="libvpx", channels=2),
    Film("aac.ts", "aac"),
    Film("aac-b.ts", "aac", bframes=2),
    Film("mp3.ts", "libmp3lame"),
    Film("ac3.ts", "ac3"),
    Film("mp2.mpg", "mp2", video="mpeg2video", fps=25),
    Film("aac.flv", "aac"),
    Film("aac-b.flv", "aac", bframes=2),
    Film("mp3.flv", "libmp3lame"),
    Film("wma.asf", "wmav2", video="wmv2"),
]
#: how pictures and sound of an AVI are coded
AVI = [
    Film(f"{audio}-{video}-{bframes}-{fps}.avi", audio, video, fps, bframes)
    for audio in ("libmp3lame", "aac", "ac3", "mp2", "pcm_s16le")
    for video, bframes, fps in (("mpeg4", 0, 10), ("mpeg4", 2, 25), ("libx264", 0, 60), ("libx264", 2, 25), ("mjpeg", 0, 30))
]
AVI += [
    Film(f"{audio}-{rate}-{video}-{bframes}-{fps}.avi", audio, video, fps, bframes, rate=rate)
    for audio, rate in (("libmp3lame", 8_000), ("libmp3lame", 16_000), ("libmp3lame", 48_000), ("aac", 16_000), ("mp2", 48_000))
    for video, bframes, fps in (("mpeg4", 0, 12), ("libx264", 2, 25), ("mjpeg", 0, 50))
]
SOUNDS = [
    Film("pcm.wav", "pcm_s16le", ""),
    Film("flac.flac", "flac", ""),
    Film("mp3.mp3", "libmp3lame", ""),
    Film("aac.m4a", "aac", ""),
    Film("opus.ogg", "libopus", "", rate=48_000),
    Film("aac.mka", "aac", ""),
]


@pytest.mark.parametrize("film", [*FILMS, *AVI], ids=lambda film: film.name)
def test_what_happens_at_once_is_seen_and_heard_at_once(tmp_path: Path, film: Film) -> None:
    path = make(tmp_path, film)
    moment, found = heard(path)
    assert found.summary.verdict() == ("ok", "")
    assert abs(moment - flashed(path)) < TOLERANCE


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.name)
@pytest.mark.parametrize("late", ["sound", "pictures"])
def test_a_stream_that_begins_later_stays_in_time(tmp_path: Path, film: Film, late: str) -> None:
    path = make(tmp_path, replace(film, **{"audio_start" if late == "sound" else "video_start": 0.3 if film.fps != 25 else 0.32}))
    assert abs(heard(path)[0] - flashed(path)) < TOLERANCE


@pytest.mark.parametrize("film", SOUNDS, ids=lambda film: film.name)
@pytest.mark.parametrize("how", ["soxr", "ffmpeg"])
def test_sound_alone_begins_at_0(tmp_path: Path, film: Film, how: str) -> None:
    assert abs(heard(make(tmp_path, film), how=how)[0] - 1.0) < 0.2e-3


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.aac", "aac"), ("a.ac3", "ac3"), ("a.mp2", "mp2")])
def test_what_an_encoder_puts_in_front_is_what_the_table_says(tmp_path: Path, name: str, codec: str) -> None:
    """Seen in files that do not say so: streams without a container, MP3 without a tag."""
    options = {"write_xing": "0"} if codec == "libmp3lame" else {}
    moment, found = heard(make(tmp_path, Film(name, codec, "", format="adts" if codec == "aac" else None, options=options)))
    assert moment - 1.0 == pytest.approx(priming.CODECS[found.summary.codec].samples / 44_100, abs=0.1e-3)


@pytest.mark.parametrize("late", ["sound", "pictures"])
def test_an_avi_cannot_say_that_its_sound_begins_late_nor_with_b_frames_its_pictures(tmp_path: Path, late: str) -> None:
    """FFmpeg writes both into the first chunks: nothing in the file tells. If this fails, DECODE.md says too little."""
    sound, pictures = (0.32, 0.0) if late == "sound" else (0.0, 0.32)
    path = make(tmp_path, Film("late.avi", "pcm_s16le", fps=25, bframes=2, audio_start=sound, video_start=pictures))
    assert abs(heard(path)[0] - flashed(path)) == pytest.approx(0.32 if late == "sound" else 0.08, abs=1e-3)
