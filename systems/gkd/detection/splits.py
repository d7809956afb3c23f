"""Which videos a split has, as the index lists them. Importing it is light."""

from __future__ import annotations

from pathlib import Path

from cache.errors import ConfigError
from cache.json_files import read_lines


def videos_of(index: Path, name: str) -> list[str]:
    """The videos of a split, in the order of the index. Raises ConfigError if there are none, naming the splits that there are."""
    media = list(read_lines(index / "media.jsonl"))
    videos = [str(row["id"]) for row in media if name in row["splits"]]
    if not videos:
        known = ", ".join(sorted({one for row in media for one in row["splits"]})) or "none"
        raise ConfigError(f"the dataset has no videos of the split {name}", hint=f"--set train.split or evaluate.split; it has {known}")
    return videos
