"""Files that are no whole videos, beside one that is: every system says of each what is wrong, and answers the others."""

from __future__ import annotations

import json
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np


def bad_files(place: Path, good: Path) -> dict[str, Path]:
    """Files that cannot be seen: a text, an empty one, the first bytes of a video, one that is not there, and a sound alone."""
    place.mkdir(exist_ok=True)
    found = {name: place / f"{name}.mp4" for name in ("text", "empty", "cut", "gone")} | {"sound": write_sound(place / "sound.wav")}
    found["text"].write_text("no video")
    found["empty"].touch()
    found["cut"].write_bytes(good.read_bytes()[:300])
    return found


def write_sound(path: Path, rate: int = 16_000) -> Path:
    """Two seconds of noise, without a picture."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((3000 * np.random.default_rng(0).standard_normal(2 * rate)).astype("<i2").tobytes())
    return path


def only_these_fail(done: subprocess.CompletedProcess[str], bad: list[Path], good: Path) -> dict[str, Any]:
    """See to it that each of ``bad`` ends in one line, the exit code is 1, and ``good`` is answered; returns what is said of that."""
    rows = {row["file"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1, done.stderr
    assert {name for name, row in rows.items() if "error" in row} == {str(path) for path in bad}, rows
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == len(bad) and "Traceback" not in done.stderr, done.stderr
    assert all(any(line.startswith(f"error: {path}: ") for line in errors) for path in bad)
    assert "error" not in rows[str(good)]
    said: dict[str, Any] = rows[str(good)]
    return said
