"""Sound: the right samples at the right time, whatever the container; damage told; memory bounded."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.audio import Recording, Sound, read_sound
from media.decode import read_frames
from media.encode import write_video
from media.outcome import MediaError
from media.waveform import decode_waveform, encode_waveform
from tests.media.zoo import picture, silence, write

HERTZ = 440.0
#: name -> codec of the sound, whether there are pictures too
FILES = {
    "a.wav": ("pcm_s16le", False),
    "a.flac": ("flac", False),
    "a.mp3": ("libmp3lame", False),
    "a.m4a": ("aac", False),
    "a.aiff": ("pcm_s16be", False),
    "a.mp4": ("aac", True),
    "a.mov": ("pcm_s16le", True),
    "a.mkv": ("aac", True),
    "a.avi": ("libmp3lame", True),
    "a.ogg": ("libopus", False),
    "a.ts": ("aac", True),
    "a.flv": ("aac", True),
}
#: Seconds at the end with which codecs fill their last packets, where the container does not say so.
FILLED = {"a.mkv": 0.05, "a.ts": 0.05, "a.flv": 0.05, "a.avi": 0.05}


def sine(seconds: float, rate: int = 44_100, channels: int = 2) -> np.ndarray:
    """(N, channels), half as loud as can be."""
    wave = 0.5 * np.sin(2 * np.pi * HERTZ * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[:, None], channels, 1).astype(np.float32)


def rate_of(name: str) -> int:
    """The rate that a file is written with: Opus knows 48 kHz alone."""
    return 48_000 if FILES[name][0] == "libopus" else 44_100


def recorded(path: Path, sound: np.ndarray, rate: int = 44_100) -> Path:
    """A file of ``sound``; with pictures for as long, if :data:`FILES` says so of its name."""
    codec, pictures = FILES.get(path.name) or FILES[f"a{path.suffix}"]
    frames = [picture(number) for number in range(round(len(sound) / rate * 10))] if pictures else None
    write_video(path, frames, 10, sound, rate, audio_codec=codec, video_codec="libx264" if pictures else "")
    return path


def loudest(samples: np.ndarray, rate: int) -> float:
    """The frequency in Hz that is loudest."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


def state(path: Path, **more: Any) -> tuple[str, str]:
    """(state, reason) of a file's sound."""
    try:
        return read_sound(path, 16_000, **more).summary.verdict()
    except MediaError as error:
        return error.state, error.reason


@pytest.mark.parametrize("name", FILES)
def test_a_tone_in_stereo_is_the_same_tone_at_16_khz(tmp_path: Path, name: str) -> None:
    summary, samples = read_sound(recorded(tmp_path / name, sine(3.0, rate_of(name)), rate_of(name)), 16_000)
    assert summary.verdict() == ("ok", "")
    assert (summary.source_rate, summary.channels, summary.count) == (rate_of(name), 2, len(samples))
    assert -16 <= len(samples) - 48_000 <= 16 + 16_000 * FILLED.get(name, 0.0)
    middle = samples[16_000:32_000] / 32768
    assert abs(loudest(middle, 16_000) - HERTZ) <= 1.0
    assert abs(np.sqrt(2) * middle.std() - 0.5) < (0.03 if FILES[name][0] == "libmp3lame" else 0.01)


@pytest.mark.parametrize("name", [name for name in FILES if name != "a.flv"])  # it cannot say that sound begins before 0
def test_a_click_is_heard_when_it_was_made(tmp_path: Path, name: str) -> None:
    """After the first picture, within 2 ms; 30 where the muxer was told to keep stamps below 0, which Matroska cannot."""
    wave = np.zeros((2 * rate_of(name), 2), np.float32)
    wave[rate_of(name) : rate_of(name) + 441] = 0.9
    path = recorded(tmp_path / name, wave, rate_of(name))
    summary, samples = read_sound(path, 16_000)
    begin = next(read_frames(path)).time if FILES[name][1] else 0.0
    heard = summary.start - begin + float(np.flatnonzero(np.abs(samples) > 8000)[0]) / 16_000
    assert abs(heard - 1.0) < (0.03 if name == "a.mkv" else 0.002)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mkv"])
@pytest.mark.parametrize("rate", [16_000, 44_100, 8_000, 48_000])
def test_sound_that_is_read_in_pieces_is_that_which_is_read_at_once(tmp_path: Path, name: str, rate: int) -> None:
    path = recorded(tmp_path / name, sine(1.3))
    with Sound(path, rate) as sound:
        pieces = list(sound.chunks())
    whole = read_sound(path, rate)
    assert len(pieces) > 3
    joined = np.concatenate(pieces)
    assert joined.dtype == np.float32 and sound.summary() == whole.summary
    assert np.array_equal(np.rint(joined * 32768).astype(np.int16), whole.samples)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(100, 5000), min_size=1, max_size=8))
def test_the_samples_do_not_depend_on_how_the_file_is_cut_into_packets(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    noise = np.random.default_rng(len(sizes)).uniform(-0.9, 0.9, sum(sizes)).astype(np.float32)
    packets(folder / "cut.mkv", np.split(noise, np.cumsum(sizes)[:-1]))
    packets(folder / "one.mkv", [noise])
    assert np.array_equal(read_sound(folder / "cut.mkv", 16_000).samples, read_sound(folder / "one.mkv", 16_000).samples)


def packets(path: Path, blocks: list[np.ndarray], rate: int = 44_100, stamps: list[float] | None = None, codec: str = "pcm_f32le") -> Path:
    """Mono blocks, one a packet; ``stamps`` are their seconds."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        done = 0
        for number, block in enumerate(blocks):
            frame = av.AudioFrame.from_ndarray(block[None].astype(np.float32), format="flt", layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = done if stamps is None else round(stamps[number] * rate)
            out.mux(stream.encode(frame))
            done += len(block)
        out.mux(stream.encode(None))
    return path


def test_the_channels_are_averaged(tmp_path: Path) -> None:
    left = sine(0.5, 16_000)
    left[:, 1] = 0
    opposed = sine(0.5, 16_000) * [1, -1]
    half = read_sound(recorded(tmp_path / "a.wav", left, 16_000), 16_000).samples
    assert abs(int(half.max()) - 8192) <= 1
    assert abs(read_sound(recorded(tmp_path / "a.wav", opposed.astype(np.float32), 16_000), 16_000).samples).max() <= 1


def test_16_bits_come_back_bit_for_bit(tmp_path: Path) -> None:
    values = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
    with av.open(str(tmp_path / "a.wav"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(values[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    _, samples = read_sound(tmp_path / "a.wav", 16_000)
    assert np.array_equal(samples, values)
    opened = decode_waveform(encode_waveform(samples, 16_000, 0.25))
    assert (opened.rate, opened.start) == (16_000, 0.25) and np.array_equal(opened.samples, values)
    assert (opened.floats().min(), opened.floats(-1)[0], len(opened.floats(5, 9))) == (-1.0, np.float32(32767 / 32768), 4)


def test_only_the_beginning_is_read_if_no_more_is_wanted(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.wav", sine(3.0))
    whole, part = read_sound(path, 16_000), read_sound(path, 16_000, 1.25)
    assert part.summary.verdict() == ("ok", "")
    assert np.array_equal(part.samples, whole.samples[:20_000])
    assert np.array_equal(read_sound(path, 16_000, 99.0).samples, whole.samples)


@pytest.mark.parametrize(
    ("name", "expected", "says"),
    [
        ("text.wav", "not_media", "no container"),
        ("empty.mp3", "empty", "no bytes"),
        ("gone.mp3", "missing", "not there"),
        ("video.mp4", "no_audio", "no sound stream, only video"),
        ("cover.mp3", "silent", "louder than -80 dB"),
        ("still.png", "not_media", "still picture"),
    ],
)
def test_what_holds_no_sound_says_why(tmp_path: Path, name: str, expected: str, says: str) -> None:
    path = tmp_path / name
    made = {
        "text.wav": lambda: path.write_text("no sound\n" * 100),
        "empty.mp3": lambda: path.write_bytes(b""),
        "gone.mp3": lambda: None,
        "video.mp4": lambda: write(path),
        "cover.mp3": lambda: silence(path, cover=True),
        "still.png": lambda: write(path, [0], codec="png", pix_fmt="rgb24", format="image2", container={"update": "1"}),
    }
    made[name]()
    found, reason = state(path)
    assert found == expected and says in reason


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("a.mp4", "a.mov", "a.m4a")])
def test_a_file_that_is_cut_off_is_damaged_and_what_is_left_is_kept(tmp_path: Path, name: str) -> None:
    path = recorded(tmp_path / name, sine(3.0, rate_of(name)), rate_of(name))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    found: Recording = read_sound(path, 16_000)
    assert found.summary.verdict()[0] == "damaged"
    assert 15_000 < len(found.samples) < 40_000
    assert abs(loudest(found.samples[4000:12_000] / 32768, 16_000) - HERTZ) <= 2.0


def test_an_mp4_that_is_cut_off_is_damaged_if_its_index_is_in_front_and_no_media_if_not(tmp_path: Path) -> None:
    for options, expected in (({"movflags": "faststart"}, "damaged"), ({}, "not_media")):
        path = tmp_path / "a.m4a"
        with av.open(str(path), "w", options=options) as out:
            stream = out.add_stream("aac", rate=16_000, layout="mono")
            for number in range(40):
                frame = av.AudioFrame.from_ndarray(sine(1024 / 16_000, 16_000, 1).T.copy(), format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 16_000, number * 1024
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * 0.7)])
        assert state(path)[0] == expected


def test_a_hole_in_the_sound_is_silence_as_long_as_the_stamps_say(tmp_path: Path) -> None:
    block = sine(0.5, 16_000, 1)[:, 0]
    summary, samples = read_sound(packets(tmp_path / "a.mkv", [block] * 3, 16_000, [0.0, 0.5, 2.0]), 16_000)
    assert summary.filled == pytest.approx(1.0, abs=1e-3) and abs(len(samples) - 40_000) <= 16
    assert not samples[16_000:31_900].any() and samples[:15_990].any() and samples[32_100:].any()


@pytest.mark.parametrize("stamps", [[0.0, 0.54, 1.04], [0.0, 1e5, 2e5]])
def test_small_holes_and_nonsense_are_joined(tmp_path: Path, stamps: list[float]) -> None:
    block = sine(0.5, 16_000, 1)[:, 0]
    summary, samples = read_sound(packets(tmp_path / "a.mkv", [block] * 3, 16_000, stamps), 16_000)
    assert (len(samples), summary.filled) == (24_000, 0.0)


def test_recordings_joined_end_to_end_are_joined(tmp_path: Path) -> None:
    one = recorded(tmp_path / "a.ts", sine(2.0))
    length = len(read_sound(one, 16_000).samples)
    (tmp_path / "both.ts").write_bytes(one.read_bytes() * 2)
    summary, samples = read_sound(tmp_path / "both.ts", 16_000)
    assert summary.filled == 0.0 and abs(len(samples) - 2 * length) < 100


def test_sound_that_begins_after_the_pictures_has_a_start(tmp_path: Path) -> None:
    for name in ("late.mkv", "late.mp4", "late.ts"):
        with av.open(str(tmp_path / name), "w") as out:
            video, stream = out.add_stream("libx264", rate=10), out.add_stream("aac", rate=16_000, layout="mono")
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            for number in range(30):
                image = av.VideoFrame.from_ndarray(picture(number))
                image.pts, image.time_base = number, Fraction(1, 10)
                out.mux(video.encode(image))
            for number in range(20):
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = 16_000, 16_000 + number * 1024, Fraction(1, 16_000)
                out.mux(stream.encode(frame))
            out.mux(video.encode(None))
            out.mux(stream.encode(None))
        summary = read_sound(tmp_path / name, 16_000).summary
        assert summary.verdict()[0] == "silent", name
        assert summary.start == pytest.approx(1.0, abs=0.07), name


def test_what_is_no_number_is_silence_and_damage(tmp_path: Path) -> None:
    block = sine(0.5, 16_000, 1)[:, 0]
    block[100:110] = np.nan
    block[200] = np.inf
    block[300] = 7.0
    summary, samples = read_sound(packets(tmp_path / "a.wav", [block], 16_000), 16_000)
    assert summary.verdict() == ("damaged", "11 samples are no numbers: they are silence")
    assert not samples[100:110].any() and samples[200] == 0 and samples[300] == 32767


def test_a_change_of_rate_in_the_middle_keeps_the_tone_and_the_time(tmp_path: Path) -> None:
    parts = [recorded(tmp_path / f"{rate}.mp3", sine(1.0, rate), rate).read_bytes() for rate in (44_100, 22_050)]
    (tmp_path / "both.mp3").write_bytes(b"".join(parts))
    samples = read_sound(tmp_path / "both.mp3", 16_000).samples
    assert abs(len(samples) - 32_000) < 3200
    for second in (samples[4000:12_000], samples[-12_000:-4000]):
        assert abs(loudest(second / 32768, 16_000) - HERTZ) <= 2.0


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.wav", sine(60.0, 8000, 1), 8000)
    tracemalloc.start()
    with Sound(path, 16_000) as sound:
        assert sum(len(chunk) for chunk in sound.chunks()) == 960_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a", "a.ts", "a.mkv"])
def test_bytes_that_flip_anywhere_end_in_a_state(tmp_path: Path, name: str) -> None:
    data = recorded(tmp_path / name, sine(0.3)).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(25):
        bad = bytearray(data)
        for place in rng.integers(0, len(bad), rng.integers(1, 30)):
            bad[place] = rng.integers(256)
        (tmp_path / name).write_bytes(bad)
        found, reason = state(tmp_path / name)
        assert (reason == "") == (found == "ok") and str(tmp_path) not in reason
