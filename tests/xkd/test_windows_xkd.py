"""Windows of training clips keep picture and sound together, and never leave the file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.training.crops import At, uniforms
from systems.xkd.windows import Span, clip_window, dense_starts, frame_numbers

spans = st.builds(Span, st.floats(0, 2), st.floats(0.1, 20))


@given(spans, spans, st.integers(0, 10**6))
def test_picture_and_sound_of_a_window_are_of_the_same_time(video: Span, audio: Span, index: int) -> None:
    window = clip_window(video, audio, (4.0, 4.0), uniforms(At(0, 0, index)))
    if min(video.length, audio.length) < 4.0:
        assert (window.video_seconds, window.audio_seconds) == (min(video.length, 4.0), min(audio.length, 4.0))
        return
    if min(video.end, audio.end) - max(video.start, audio.start) >= 4.0:
        assert abs(window.audio - window.video) < 1e-9
        assert max(video.start, audio.start) - 1e-9 <= window.video <= min(video.end, audio.end) - 4.0 + 1e-9


@given(st.integers(0, 10**6))
def test_a_shorter_sound_lies_within_the_picture(index: int) -> None:
    window = clip_window(Span(0, 10), Span(0, 10), (4.0, 1.0), uniforms(At(0, 0, index)))
    assert window.video <= window.audio <= window.video + 3.0


@given(st.floats(6, 60), st.floats(0, 3), st.floats(0.5, 4))
def test_frames_are_on_screen_at_their_moments(rate: float, start: float, seconds: float) -> None:
    numbers = frame_numbers(Span(0.0, 10.0), rate, start, seconds, 8.0)
    assert len(numbers) <= int(seconds * 8)
    for place, number in enumerate(numbers):
        assert number / rate - 1e-6 <= start + place / 8 < (number + 1) / rate + 1e-6


@given(st.integers(1, 500), st.integers(1, 100), st.integers(1, 10))
def test_windows_of_a_test_lie_in_the_file_from_its_beginning_on(length: int, window: int, clips: int) -> None:
    starts = dense_starts(length, window, clips)
    assert len(starts) == clips and starts[0] == 0 and starts == sorted(starts)
    if length > window:
        assert starts[-1] == (length - window if clips > 1 else 0)
    else:
        assert not any(starts)
