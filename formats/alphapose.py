"""AlphaPose's results: one JSON file for all pictures, as AlphaPose writes it (``coco``), as CMU's and OpenPose's programs do (``cmu``,
``open``); read and written.

``coco`` is a list with an object for each person: ``image_id``, ``category_id`` 1, ``keypoints`` (51 numbers: x, y, score of COCO's 17
joints), ``score``, ``box`` (x, y, width, height), ``idx``. The others map a picture's name to its people, who have 18 joints, the neck
among them, and nothing else. A picture without people is in none of them (it is in ``cmu`` and ``open`` only if somebody put it there).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError, one_of
from cache.given import plain_file

Floats = npt.NDArray[np.float32]

NAME = "alphapose-results.json"
#: a folder of one file for each picture, which the other two forms have besides
SEPARATE = "sep-json"
FORMS = ("coco", "cmu", "open")
VERSION = "AlphaPose v0.3"
#: form -> the key of a picture's people, and that of a person's joints
KEYS = {"cmu": ("bodies", "joints"), "open": ("people", "pose_keypoints_2d")}
#: of the 18 joints of CMU and OpenPose, the number in COCO's order; -1 is the neck, the mean of both shoulders
NECK = -1
ORDER = (0, NECK, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
SHOULDERS = (5, 6)
JOINTS = 17
#: the largest file that is read, in bytes
LARGEST = 2 << 30


@dataclass(frozen=True)
class Skeletons:
    """The people of a picture: ``keypoints`` (P, 17, 3) of x, y, score, ``boxes`` (P, 4) as x, y, width, height, ``scores`` (P,), all
    float32. ``ids[p]``: numbers of the detections that were made one person; (0.0,) where nothing was tracked."""

    keypoints: Floats
    boxes: Floats
    scores: Floats
    ids: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, keypoints: Floats, boxes: Floats, scores: Floats) -> Skeletons:
        """People who were not tracked."""
        return cls(keypoints, boxes, scores, ((0.0,),) * len(scores))


def write_results(folder: Path, people: Mapping[str, Skeletons], form: str = "coco", *, numbered: bool = False) -> Path:
    """Write ``alphapose-results.json`` (and ``sep-json/`` where the form has it) into a folder, which is made; returns the file.

    ``people``: picture -> who is in it, in the order of the file. ``numbered``: ``image_id`` is the number at the end of the name, as
    COCO's evaluation wants it. Raises DataError for a number that is none, and for two pictures that the form cannot tell apart.
    """
    value = results(people, form, numbered=numbered)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    try:
        path.write_text(json.dumps(value, allow_nan=False), encoding="utf-8")
    except ValueError as error:
        raise DataError(f"{path} is not written: a number of the results is not finite") from error
    if form in KEYS:
        (folder / SEPARATE).mkdir(exist_ok=True)
        for name, one in value.items():
            (folder / SEPARATE / f"{name.partition('.')[0]}.json").write_text(json.dumps(one, allow_nan=False), encoding="utf-8")
    return path


def results(people: Mapping[str, Skeletons], form: str = "coco", *, numbered: bool = False) -> Any:
    """What :func:`write_results` writes, as a value."""
    one_of("the form of results", form, FORMS)
    names = _names(people, form)
    if form == "coco":
        return [
            _person(image_number(name) if numbered else name, skeletons, p)
            for (name, skeletons) in zip(names, people.values(), strict=True)
            for p in range(len(skeletons.scores))
        ]
    bodies, joints = KEYS[form]
    return {
        name: {"version": VERSION, bodies: [{joints: with_neck(one).ravel().tolist()} for one in skeletons.keypoints]}
        for name, skeletons in zip(names, people.values(), strict=True)
        if len(skeletons.scores)
    }


def _names(people: Mapping[str, Skeletons], form: str) -> list[str]:
    """The file names of the pictures; in the forms with a file for each they must differ before their first dot."""
    names = [PurePosixPath(name).name for name in people]
    keys = [name.partition(".")[0] for name in names] if form in KEYS else names
    seen: dict[str, str] = {}
    for key, whole in zip(keys, people):
        if not key or key in seen:
            other = f" as for {seen[key]}" if key in seen else ""
            raise DataError(f"the results of the picture {whole!r} have no name of their own{other}: {key!r}")
        seen[key] = whole
    return names


def image_number(name: str) -> int:
    """The number that follows the last underscore of a picture's name, or that the name is. Raises DataError if there is none."""
    text = PurePosixPath(name).stem.rpartition("_")[2]
    if not (text.isascii() and text.isdecimal()):
        raise DataError(f"the picture {name!r} has no number at its end", hint="numbered results need names such as 000000000139.jpg")
    return int(text)


def _person(image: str | int, skeletons: Skeletons, p: int) -> dict[str, Any]:
    ids = skeletons.ids[p]
    return {
        "image_id": image,
        "category_id": 1,
        "keypoints": skeletons.keypoints[p].astype(float).ravel().tolist(),
        "score": float(skeletons.scores[p]),
        "box": skeletons.boxes[p].astype(float).tolist(),
        "idx": list(ids) if len(ids) == 1 else [[number] for number in ids],
    }


def with_neck(keypoints: Floats) -> npt.NDArray[np.float64]:
    """COCO's 17 joints (17, 3) as the 18 of CMU and OpenPose."""
    wide = keypoints.astype(np.float64)
    neck = wide[list(SHOULDERS)].mean(0)
    return np.stack([neck if joint == NECK else wide[joint] for joint in ORDER])


def read_results(path: Path) -> dict[str, Skeletons]:
    """The people of every picture, by its name (a number as text, if the file has numbers), in the order of the file.

    All three forms, and results of more than 17 joints, of which COCO's 17 come first. What a form lacks is made of the joints: the box
    around them, the mean of their scores. Raises DataError with the place in the file for anything else.
    """
    plain_file(path, most=LARGEST, hint=f"AlphaPose writes {NAME}")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}", hint=f"AlphaPose writes {NAME}") from error
    found: dict[str, list[tuple[Floats, Floats, float, tuple[float, ...]]]] = {}
    if isinstance(value, list):
        for number, one in enumerate(value):
            where = f"{path}, person {number}"
            name, person = _read_person(where, one)
            found.setdefault(name, []).append(person)
    elif isinstance(value, dict):
        for name, one in value.items():
            found[name] = _read_bodies(f"{path}, picture {name!r}", one)
    else:
        raise DataError(f"{path} holds {type(value).__name__}, not results of AlphaPose")
    return {name: _together(people) for name, people in found.items()}


def _together(people: Sequence[tuple[Floats, Floats, float, tuple[float, ...]]]) -> Skeletons:
    keypoints = np.array([one[0] for one in people], np.float32).reshape(-1, JOINTS, 3)
    boxes = np.array([one[1] for one in people], np.float32).reshape(-1, 4)
    return Skeletons(keypoints, boxes, np.array([one[2] for one in people], np.float32), tuple(one[3] for one in people))


def _read_person(where: str, one: Any) -> tuple[str, tuple[Floats, Floats, float, tuple[float, ...]]]:
    """An object of the form ``coco``."""
    if not isinstance(one, dict) or not isinstance(one.get("image_id"), str | int) or isinstance(one["image_id"], bool):
        raise DataError(f"{where}: no object with an image_id")
    keypoints = _joints(where, one.get("keypoints"))[:JOINTS]
    if len(keypoints) < JOINTS:
        raise DataError(f"{where}: {len(keypoints)} joints, not {JOINTS}")
    box = _numbers(where, "box", one["box"], 4) if "box" in one else _around(keypoints)
    score = float(_numbers(where, "score", [one.get("score", float(keypoints[:, 2].mean()))], 1)[0])
    return str(one["image_id"]), (keypoints, box, score, _ids(where, one.get("idx", 0.0)))


def _ids(where: str, idx: Any) -> tuple[float, ...]:
    """``idx`` in any of its forms: a number, [number], [[number], [number]]."""
    listed = idx if isinstance(idx, list) else [idx]
    flat = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in listed]
    if not flat:
        raise DataError(f"{where}: an empty idx")
    return tuple(_numbers(where, "idx", flat, len(flat)).astype(float).tolist())


def _read_bodies(where: str, one: Any) -> list[tuple[Floats, Floats, float, tuple[float, ...]]]:
    """A picture of the forms ``cmu`` and ``open``."""
    pair = next((pair for pair in KEYS.values() if isinstance(one, dict) and isinstance(one.get(pair[0]), list)), None)
    if pair is None:
        raise DataError(f"{where}: neither bodies nor people", hint="results of AlphaPose in the forms coco, cmu and open are read")
    people = []
    for number, body in enumerate(one[pair[0]]):
        place = f"{where}, person {number}"
        joints = _joints(place, body.get(pair[1]) if isinstance(body, dict) else None)
        if len(joints) != len(ORDER):
            raise DataError(f"{place}: {len(joints)} joints, not {len(ORDER)}")
        keypoints = np.stack([joints[ORDER.index(joint)] for joint in range(JOINTS)])
        people.append((keypoints, _around(keypoints), float(keypoints[:, 2].mean()), (0.0,)))
    return people


def _joints(where: str, value: Any) -> Floats:
    """(joints, 3) of a flat list."""
    if not isinstance(value, list) or not value or len(value) % 3:
        raise DataError(f"{where}: no keypoints of x, y, score")
    return _numbers(where, "keypoints", value, len(value)).reshape(-1, 3)


def _numbers(where: str, name: str, value: Any, count: int) -> Floats:
    if not isinstance(value, list) or len(value) != count or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in value):
        raise DataError(f"{where}: {name} is not {count} numbers")
    try:
        numbers = np.array(value, np.float64).astype(np.float32)
    except (OverflowError, ValueError) as error:
        raise DataError(f"{where}: {name} is not {count} numbers") from error
    if not np.isfinite(numbers).all():
        raise DataError(f"{where}: {name} is not finite")
    return numbers


def _around(keypoints: Floats) -> Floats:
    low, high = keypoints[:, :2].min(0), keypoints[:, :2].max(0)
    return np.concatenate([low, high - low])
