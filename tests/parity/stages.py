"""What the shared stages prepare: clip choice, frame preprocessing, tokens, vocabulary and word vectors.

Two of the cases hold their expectations in the json; their handlers compare exactly and return no arrays.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.backbones.inputs import network_input
from stages.extract.resize import resize
from stages.questions.glove import PANDAS_MISSING, glove_matrix, read_text_vectors
from stages.questions.tokens import question_tokens, tokenise
from stages.questions.vocabulary import Vocabulary, build_vocabulary, encode_answers, encode_questions
from stages.sample.policies import clip_indices
from tests.parity.case import Case, Mismatch, handles

NOT_A_STRING = "<NOT A STRING: nan>"


def same(where: str, got: Any, want: Any) -> None:
    """Compare two JSON-like values exactly, the order of mappings included; Mismatch names the first difference."""
    if isinstance(want, Mapping) and isinstance(got, Mapping):
        same(f"{where}.keys", list(got), list(want))
        for key in want:
            same(f"{where}.{key}", got[key], want[key])
    elif isinstance(want, list) and isinstance(got, list):
        for index, (ours, theirs) in enumerate(zip(got, want)):
            same(f"{where}[{index}]", ours, theirs)
        if len(got) != len(want):
            raise Mismatch(f"{where}: {len(got)} entries, expected {len(want)}")
    elif got != want:
        raise Mismatch(f"worst error at {where}: got {got!r}, expected {want!r}")


@handles("clip_indices*")
def clips(case: Case) -> dict[str, Any]:
    """The array-based variant where the two originals differ."""
    for number, one in enumerate(case.meta["cases"]):
        want = one.get("frames_list_array_variant", one["frames_list"])
        got = clip_indices(one["total_frames"], one["num_clips"], case.meta.get("frames_per_clip", 16))
        same(f"out.cases[{number}] (of {one['total_frames']} frames {one['num_clips']} clips)", got.tolist(), want)
    return {}


@handles("image_preprocess*")
def preprocess(case: Case) -> dict[str, Any]:
    """Outputs are named ``resized_<frame>_<size>`` and ``normalised_`` or ``raw_<frame>_<size>_slice``."""
    strides = [(int(y), int(x)) for y, x in re.findall(r"\[:, ::(\d+), ::(\d+)\]", case.meta["what"])]
    steps = dict(zip(("normalised", "raw"), strides))
    got = {}
    for name in case.outputs:
        kind, frame, size = name.removesuffix("_slice").split("_")
        image = resize(case.inputs[f"frame_{frame}"], int(size))
        if kind == "resized":
            got[name] = image.transpose(2, 0, 1)
            continue
        values = network_input(image[None], "paper")[0] if kind == "normalised" else network_input(image[None, None], "raw255")[0, :, 0]
        down, across = steps[kind]
        got[name] = values[:, ::down, ::across]
    return got


@handles("vocab_and_questions*")
def questions(case: Case) -> dict[str, Any]:
    """Vocabulary, encodings and word vectors of every data set of the case, and the tokenisation examples."""
    meta = case.meta
    for text, want in meta["tokenisation"].items():
        same(f"out.tokenisation[{text!r}]", tokenise(text), want)
    same("out.glove_pickle_keys", pickle_keys(meta["glove_text_lines"]), meta["glove_pickle_keys"])
    results = meta["results"]
    for name in sorted({key.split("/")[0] for key in results}):
        top = re.search(r"-top(\d+)$", name)
        vocabulary = build(meta["annotations"]["train"], int(top[1]) if top else meta["answer_top_small"])
        same(f"out.{name}/vocab", json.loads(vocabulary.to_json()), results[f"{name}/vocab"])
        for split, rows in meta["annotations"].items():
            arrays = encode(rows, vocabulary, split, meta["glove_text_lines"])
            want, types = results[f"{name}/{split}"], results.get(f"{name}/{split}/dtypes", {})
            for key, expected in want.items():
                same(f"out.{name}/{split}.{key}", None if arrays[key] is None else np.asarray(arrays[key]).tolist(), expected)
            for key in ("questions", "questions_len", "video_ids"):
                same(f"out.{name}/{split}/dtypes.{key}", str(np.asarray(arrays[key]).dtype), types.get(key, "int64"))
    return {}


def build(rows: Sequence[Mapping[str, Any]], top: int) -> Vocabulary:
    """Build the vocabulary of the training annotations."""
    return build_vocabulary([question_tokens(row["question"]) for row in rows], [row["answer"] for row in rows], top)


def encode(rows: Sequence[Mapping[str, Any]], vocabulary: Vocabulary, split: str, glove_lines: Sequence[str]) -> dict[str, Any]:
    """Return a split under the keys of the published question files."""
    tokens, lengths = encode_questions([question_tokens(row["question"]) for row in rows], vocabulary.questions, empty="paper")
    videos = np.array([row["video_id"] for row in rows], np.int64)
    return {
        "questions": tokens,
        "questions_len": lengths,
        "question_id": list(range(len(rows))),
        "video_ids": videos,
        "video_names": videos,
        "answers": encode_answers([row["answer"] for row in rows], vocabulary.answers, train=split == "train"),
        "glove": word_vectors(vocabulary, glove_lines) if split == "train" else None,
    }


def word_vectors(vocabulary: Vocabulary, lines: Sequence[str]) -> np.ndarray:
    """Look the vocabulary up in a GloVe text file, with the side effect of the published conversion."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "glove.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        vectors, width = read_text_vectors(path, vocabulary.questions)
    return glove_matrix(vocabulary.questions, vectors, width, missing="paper")


def pickle_keys(lines: Sequence[str]) -> list[str]:
    """Keys of the published pickle: all words that pandas takes for missing fall under one key."""
    words = [line.split(" ")[0] for line in lines]
    return list(dict.fromkeys(NOT_A_STRING if word in PANDAS_MISSING else word for word in words))
