"""MSRVTT-QA: ``TrainValVideo/video<id>.mp4``, ``TestVideo/video<id>.mp4``, ``{train,val,test}_qa.json``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from stages.index.annotations import require
from stages.index.dataset import Dataset, Layout
from stages.index.question_files import FILES, SPLITS, read_questions, videos_of
from stages.index.walk import files_in

FOLDERS = {"train": "TrainValVideo", "val": "TrainValVideo", "test": "TestVideo"}
NAME = re.compile(r"video[0-9]+\.mp4")


def sources(root: Path) -> Iterator[str]:
    """The annotations and every ``video<id>.mp4`` of the two folders."""
    require(root, list(FILES.values()))
    yield from FILES.values()
    for folder in sorted(set(FOLDERS.values())):
        yield from files_in(root, folder, lambda name: NAME.fullmatch(name) is not None)


def read(root: Path) -> Dataset:
    """Read the dataset; only videos with a question count. Raises DataError on a bad annotation."""
    require(root, list(FILES.values()))
    questions = read_questions(root, lambda id: "" if id >= 0 else f"key 'video_id': {id} is negative")
    return Dataset(videos_of(questions, lambda question: f"{FOLDERS[question.split]}/video{question.video_id}.mp4"), questions, SPLITS)


LAYOUT = Layout(sources=sources, read=read, holds=("videos", "questions"))
