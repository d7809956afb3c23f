"""The stage under each policy: what its rows hold, what it lists, and that several of its nodes go together."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cache.errors import ConfigError, DataError
from cache.ledger import STATES
from cache.option import idle_because
from cache.stage import Context
from media import decode
from media.audio import read_sound
from media.encode import write_video as write_media
from media.frames import decode_payload
from media.waveform import decode_waveform
from stages.sample import SampleParams
from stages.sample.run import run
from tests.media.conftest import number_of, picture, write_video
from tests.sample.conftest import rows, states

Make = Callable[..., Context]
Index = Callable[..., Path]


def sound(path: Path, seconds: float = 1.0, pictures: bool = False) -> Path:
    """Noise of 22.05 kHz, with pictures if asked for."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (round(22_050 * seconds), 2)).astype(np.float32)
    frames = [picture(number) for number in range(round(12 * seconds))] if pictures else None
    write_media(path, frames, 12, noise, 22_050, audio_codec={".flac": "flac"}.get(path.suffix, ""))
    return path


def sounds(ctx: Context) -> list[dict[str, object]]:
    """The lines of ``sounds.jsonl``."""
    return [json.loads(line) for line in (ctx.out / "sounds.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"policy": "even", "num_frames": 4}, [[0, 9, 19, 29]]),
        ({"policy": "rate", "fps": 4.0}, [[0, 3, 6, 9, 12, 15, 18, 21, 24, 27]]),
        ({"policy": "rate", "fps": 4.0, "take": "last", "seconds": 1.0}, [[2, 5, 8, 11]]),
        ({"policy": "rate", "fps": 1.0, "take": "next"}, [[0, 12, 24]]),
        ({"policy": "all"}, [list(range(30))]),
        ({"policy": "all", "seconds": 0.5}, [list(range(6))]),
        ({"num_clips": 2, "frames_per_clip": 5}, [[8, 9, 10, 11, 12], [18, 19, 20, 21, 22]]),
    ],
)
@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])  # the header says how many frames there are, and not
def test_a_row_holds_the_frames_of_the_policy(
    data: Path, write_index: Index, make_context: Make, name: str, params: dict, expected: list[list[int]]
) -> None:
    path = write_video(data / name, 30, codec="mpeg4")
    write_index({"7": name})
    ctx = make_context(**params)
    run(ctx)
    (row,) = rows(ctx)
    frames = decode_payload(ctx.items.get(row["media"]).payload)
    assert states(ctx) == {"7": "ok"} and frames.index.tolist() == expected
    decoded = {frame.number: frame for frame in decode.read_frames(path)}
    for number, time in zip(frames.numbers.tolist(), frames.times.tolist(), strict=True):
        assert np.array_equal(frames.images(number), decoded[number].image) and time == decoded[number].time


def test_a_variable_rate_is_sampled_by_its_times(data: Path, write_index: Index, make_context: Make) -> None:
    stamps = [0, 1, 2, 30, 31, 60]
    write_video(data / "a.mkv", 6, codec="libx264", stamps=stamps)
    write_index({"7": "a.mkv"})
    ctx = make_context(policy="rate", fps=2.0)
    run(ctx)
    frames = decode_payload(ctx.items.get(rows(ctx)[0]["media"]).payload)
    shown = [max(n for n, stamp in enumerate(stamps) if stamp / 12 <= k / 2) for k in range(frames.index.shape[1])]
    assert frames.index.tolist() == [shown] and [number_of(frames.images(n)) for n in shown] == shown
    assert states(ctx) == {"7": "padded"} and "1/2 s" in ctx.ledger.sorted()[0].reason


def test_sound_is_kept_of_every_file_that_has_some(data: Path, write_index: Index, make_context: Make) -> None:
    files = {"wav": "a.wav", "flac": "b.flac", "mp4": "c.mp4", "cut": "d.flac", "silent": "e.mp4", "text": "f.wav", "gone": "g.wav"}
    for name in ("a.wav", "b.flac", "d.flac"):
        sound(data / name)
    sound(data / "c.mp4", pictures=True)
    os.truncate(data / "d.flac", (data / "d.flac").stat().st_size // 2)
    write_video(data / "e.mp4", 12, codec="libx264")
    (data / "f.wav").write_text("no sound\n" * 100)
    write_index(files)
    ctx = make_context(policy="audio", workers=2)
    run(ctx)
    expected = {"wav": "ok", "flac": "ok", "mp4": "ok", "cut": "damaged", "silent": "no_audio", "text": "not_media", "gone": "missing"}
    assert states(ctx) == expected and not (ctx.out / "frames.jsonl").exists()
    assert [row["id"] for row in sounds(ctx)] == [id for id in files if STATES[expected[id]] != "lost"]
    assert all(entry.reason for entry in ctx.ledger.sorted() if entry.state != "ok") and str(data) not in ctx.ledger.dump()
    for row in sounds(ctx):
        assert row.keys() == {"id", "media", "sound", "count", "rate", "start"}
        item = ctx.items.get(row["media"])
        opened = decode_waveform(item.payload)
        assert item.digest == row["sound"] and (len(opened.samples), opened.rate) == (row["count"], 16_000)
        assert np.array_equal(opened.samples, read_sound(data / files[row["id"]], 16_000).samples)
    with pytest.raises(DataError, match="no sound"):
        decode_waveform(ctx.items.get(json.loads((write_index(files) / "media.jsonl").read_text().splitlines()[4])["digest"]).payload)


def test_a_file_in_which_nothing_is_heard_is_kept_and_named(data: Path, write_index: Index, make_context: Make) -> None:
    write_media(data / "a.wav", None, 12, np.zeros((22_050, 1), np.float32), 22_050)
    sound(data / "b.wav")
    write_index({"1": "a.wav", "2": "b.wav"})
    ctx = make_context(policy="audio")
    run(ctx)
    assert states(ctx) == {"1": "silent", "2": "ok"} and len(sounds(ctx)) == 2
    assert STATES["silent"] == "degraded" and "-80 dB" in ctx.ledger.sorted()[0].reason


def test_the_resampler_counts_where_sound_is_read_and_nowhere_else(data: Path, write_index: Index, make_context: Make) -> None:
    sound(data / "a.wav")
    write_index({"1": "a.wav"})
    one, other = make_context("soxr", policy="audio"), make_context("ffmpeg", policy="audio", resampler="ffmpeg")
    run(one)
    run(other)
    heard, other_heard = (decode_waveform(ctx.items.get(sounds(ctx)[0]["media"]).payload).samples for ctx in (one, other))
    assert not np.array_equal(heard, other_heard) and abs(len(heard) - len(other_heard)) <= 1
    assert one.params.libraries == ("soxr",) and other.params.libraries == () and SampleParams().libraries == ()


def test_a_resampler_that_is_not_installed_is_said_before_a_file_is_read(
    data: Path, write_index: Index, make_context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    sound(data / "a.wav")
    write_index({"1": "a.wav"})
    with pytest.raises(ConfigError, match="soxr is not installed") as error:
        run(make_context("without", policy="audio"))
    assert "kdpipe[audio]" in error.value.hint and "ffmpeg" in error.value.hint
    run(make_context("with", policy="audio", resampler="ffmpeg"))
    run(make_context("frames", policy="all"))


def test_the_sound_of_a_file_that_hangs_is_given_up(data: Path, write_index: Index, make_context: Make) -> None:
    sound(data / "a.wav")
    os.mkfifo(data / "hangs.wav")
    write_index({"1": "a.wav", "2": "hangs.wav"}, {"2": "0" * 64})
    ctx = make_context(policy="audio", timeout=1.0)
    run(ctx)
    assert states(ctx) == {"1": "ok", "2": "timed_out"}


def test_frames_and_sound_of_one_dataset_are_two_nodes(data: Path, write_index: Index, make_context: Make) -> None:
    sound(data / "a.mp4", 2.0, pictures=True)
    write_index({"1": "a.mp4"})
    clips, heard = make_context("clips", policy="all"), make_context("audio", policy="audio")
    run(clips)
    run(heard)
    (frame,), (noise,) = rows(clips), sounds(heard)
    assert frame["media"] == noise["media"] and frame["frames"] != noise["sound"]
    times = decode_payload(clips.items.get(frame["media"]).payload).times
    waveform = decode_waveform(heard.items.get(noise["media"]).payload)
    assert abs(waveform.start - times[0]) < 1e-3
    assert abs(waveform.start + len(waveform.samples) / waveform.rate - (times[-1] + 1 / 12)) < 0.05


def test_what_people_are_told_to_type_names_the_node(data: Path, write_index: Index, make_context: Make) -> None:
    path = sound(data / "a.wav")
    write_index({"1": "a.wav"})
    ctx = make_context("first", policy="audio")
    ctx.node, ctx.root = "sample.audio", None
    with pytest.raises(DataError) as error:
        run(ctx)
    assert "kdpipe run sample.audio --data-root" in error.value.hint
    path.write_bytes(path.read_bytes() + b"!")
    ctx = make_context("second", policy="audio")
    ctx.node = "sample.audio"
    with pytest.raises(DataError, match="changed while") as error:
        run(ctx)
    assert error.value.hint.endswith("kdpipe run sample.audio")


def test_a_parameter_that_a_policy_does_not_read_does_not_count() -> None:
    read = {
        "clips": {"num_clips", "frames_per_clip", "codec", "decode"},
        "even": {"num_frames", "codec", "decode"},
        "rate": {"fps", "take", "seconds", "codec", "decode"},
        "all": {"seconds", "codec", "decode"},
        "audio": {"audio_rate", "seconds", "resampler"},
    }
    known = set().union(*read.values())
    for policy, names in read.items():
        params = SampleParams(policy=policy)
        assert {name for name in known if not idle_because(params, name)} == names
        assert params.modules == (("media.audio",) if policy == "audio" else ("media.decode",))


def test_the_frames_beside_the_chosen_ones_are_kept_and_not_shown(data: Path, write_index: Index, make_context: Make) -> None:
    path = write_video(data / "a.mkv", 30)
    write_index({"7": "a.mkv"})
    ctx = make_context(policy="even", num_frames=3, with_next=True)
    run(ctx)
    frames = decode_payload(ctx.items.get(rows(ctx)[0]["media"]).payload)
    assert frames.index.tolist() == [[0, 14, 29]] and frames.numbers.tolist() == [0, 1, 14, 15, 28, 29]
    decoded = {frame.number: frame.image for frame in decode.read_frames(path)}
    assert all(np.array_equal(frames.images(number), decoded[number]) for number in frames.numbers.tolist())
