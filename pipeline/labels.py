"""The classes and splits of the videos of a result, from the index that it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from formats import clip_list
from formats.clip_list import Clip
from formats.official_names import part as part_of_path
from pipeline.derived import Derivation, lines

#: Where a video without a class lies.
NONE = "unlabelled"


@dataclass(frozen=True)
class Labels:
    """dataset: its name. classes: in order. of: id -> class, of videos that have exactly one. splits: id -> its splits."""

    dataset: str
    classes: list[str]
    of_video: Mapping[str, str]
    splits: Mapping[str, list[str]]

    @classmethod
    def of(cls, found: Derivation) -> Labels:
        """Read the index behind a result."""
        directory = found.store.files(found.parent("index"))
        about = json.loads((directory / "dataset.json").read_text(encoding="utf-8"))
        path = directory / "annotations.jsonl"
        said: dict[str, set[str]] = {}
        for row in lines(path) if path.is_file() else []:
            said.setdefault(row["video_id"], set()).update(row["classes"])
        single = {id: next(iter(names)) for id, names in said.items() if len(names) == 1}
        splits = {row["id"]: row["splits"] for row in lines(directory / "media.jsonl")}
        return cls(str(about["name"]), list(about.get("classes", [])), single, splits)

    def class_of(self, id: str) -> str:
        """The class of a video, or :data:`NONE`."""
        return self.of_video.get(id, NONE)

    def write_lists(self, folder: Path, counts: Mapping[str, int], names: Mapping[str, str], frames: bool) -> None:
        """Write ``<dataset>/{train,val}_{rgb,flow}_split<fold>.txt`` of the folds that the data set has; its test is their val.

        ``counts``: id -> how many flows (and frames) its folder holds; a video without a class, or without a flow, is in none.
        """
        folds = sorted({split.partition("/")[0] for names in self.splits.values() for split in names if "/" in split})
        numbers = {name: number for number, name in enumerate(self.classes)}
        for fold in [fold for fold in folds if fold.isdigit()]:
            for part, split in (("train", f"{fold}/train"), ("val", f"{fold}/test")):
                ids = [id for id in sorted(counts) if counts[id] and split in self.splits[id] and self.of_video.get(id) in numbers]
                clips = [Clip(names[id], counts[id], numbers[self.of_video[id]]) for id in ids]
                for modality in ("flow", "rgb") if frames else ("flow",):
                    path = folder / part_of_path(self.dataset) / clip_list.name_of(part, modality, fold)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    clip_list.write(path, clips)
