"""Annotations, mappings, vocabularies and eigenvalues of datasets: whatever lies there, it is read or refused by name."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.index import csv_labels, csv_qa, esc50, few_shot, fsd50k, hmdb51, kinetics, kinetics_sound, labelled, thumos14, ucf101
from stages.index.dataset import id_order
from stages.index.msvd_qa import MAPPING, read_mapping, sources
from stages.index.question_files import FILES, read_questions
from stages.index.yt8m import EIGENVALUES, VOCABULARY, read_eigenvalues, read_vocabulary
from tests.fuzz.files import WRONG, refusal, spoilt, truncations

ENTRY = {"id": 0, "video_id": 7, "question": "wer läuft?", "answer": "man"}
TRAIN = "ucfTrainTestlist/trainlist02.txt"
UCF_CLASSES = b"1 Archery\r\n2 Bowling\r\n"
UCF_CLIPS = b"Archery/v_Archery_g08_c01.avi 1\r\nBowling/v_Bowling_g08_c01.avi 2\r\n"
ESC_TABLE = b"filename,fold,target,category,esc10\n1-10-A-0.wav,1,0,dog,True\n2-11-B-1.wav,2,1,rain,False\n"
QUESTIONS = json.dumps([ENTRY, {**ENTRY, "id": 1}], ensure_ascii=False).encode()


def _npy(values: Any) -> bytes:
    np.save(buffer := io.BytesIO(), values)
    return buffer.getvalue()


def put(path: Path, data: bytes) -> None:
    """A sound file, where none lies from the time before: to read it changes nothing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def questions(root: Path) -> Any:
    for file in FILES.values():
        if file != "train_qa.json":
            put(root / file, QUESTIONS)
    found = read_questions(root, lambda id: "")
    for question in found:
        id_order(question.video_id)
        assert json.dumps(question.__dict__, ensure_ascii=False).encode()
    return found


def mapping(root: Path) -> Any:
    for file in FILES.values():
        (root / file).touch()
    return read_mapping(root), list(sources(root))


def clips(root: Path, name: str) -> Any:
    """The file ``name`` as it lies there, and sound ones beside it."""
    tested = b"Archery/v_Archery_g01_c01.avi\n"
    beside = {ucf101.CLASSES: UCF_CLASSES} | {file: UCF_CLIPS if "train" in file else tested for file in ucf101.LISTS}
    for file in beside.keys() - {name}:
        put(root / file, beside[file])
    found = [ucf101.read(root), list(ucf101.sources(root))]
    assert str(found).encode()
    return found


def sounds(root: Path) -> Any:
    return esc50.read(root), list(esc50.sources(root))


HMDB_LIST = f"{hmdb51.LISTS[0]}/kick_test_split2.txt"
FEW_LIST = "splits/hmdb_ARN/testlist03.txt"
KINETICS = "annotations/train.csv"
FSD_DEV, SOUND_LIST = "FSD50K.ground_truth/dev.csv", "kinetics_sound/train.txt"
THUMOS_LIST, THUMOS_INFO, THUMOS_TRUTH = "annotation/Diving_val.txt", "annotation/val_video_info.csv", "annotation/thumos_gt.json"
#: Layout -> its sound files; one of them is put to the test.
TREES: dict[ModuleType, dict[str, bytes]] = {
    hmdb51: {
        **{f"{hmdb51.LISTS[0]}/kick_test_split{fold}.txt": "a_kick_0.avi 1 \r\n#ü_kick_1.avi 2 \r\n".encode() for fold in (1, 2, 3)},
        "splits/hmdb_ARN/trainlist03.txt": b"kick/a_kick_0\n",
        FEW_LIST: "wave/x_wave_0\nrun/#ü_run_1.avi\n".encode(),
    },
    labelled: {labelled.TABLE: 'video,class,split\na/b.mp4,kick,train\n"c, ü.avi",wave,test\n'.encode()},
    csv_qa: {
        csv_qa.TABLE: b"video,question,answer,split\n" + "".join(f'a/b.mp4,"wer, {split}?",ü,{split}\n' for split in csv_qa.SPLITS).encode()
    },
    csv_labels: {csv_labels.TABLE: 'video,label,split\na/b.mp4,kick,train\n"c, ü.avi",wave,test\n'.encode()},
    kinetics: {
        KINETICS: b'label,youtube_id,time_start,time_end,split\n"tying knot",-aaaaaaaaa1,3,13,train\nyawning,bbbbbbbbbb2,0,10,train\n',
        "annotations/val.csv": b"label,youtube_id,time_start,time_end,split\nyawning,ccccccccc_3,0,10,val\n",
    },
    fsd50k: {
        fsd50k.VOCABULARY: "0,Électric,/m/02sgy\n1,Guitar,/m/0342h\n".encode(),
        FSD_DEV: 'fname,labels,mids,split\n64760,"Électric,Guitar","/m/02sgy,/m/0342h",train\n16399,Guitar,/m/0342h,val\n'.encode(),
        "FSD50K.ground_truth/eval.csv": b"fname,labels,mids\n37199,Guitar,/m/0342h\n",
    },
    kinetics_sound: {
        SOUND_LIST: json.dumps(["playing flute/-aaaaaaaaa1_000003_000013.avi", "bowling/bbbbbbbbbb2_000000_000010.avi"]).encode(),
        "kinetics_sound/val.txt": json.dumps(["bowling/ccccccccc_3_000000_000010.avi"]).encode(),
    },
    thumos14: {
        "detclasslist.txt": b"22 CliffDiving\n26 Diving\n",
        **{f"annotation/{name}_{split}.txt": b"" for name in ("CliffDiving", "Diving") for split in ("val", "test")},
        THUMOS_LIST: b"video_validation_0000001  1.5 2.5\r\nvideo_validation_0000002 3 4.25\n",
        THUMOS_INFO: b"video,fps,sample_fps,count,sample_count\nvideo_validation_0000001,30.0,10.0,900.0,300\n",
        THUMOS_TRUTH: json.dumps(
            {"database": {"video_test_0000004": {"subset": "test", "annotations": [{"segment": ["1", "2.5"], "label": "Diving"}]}}}
        ).encode(),
    },
}


def tree(layout: ModuleType, name: str) -> tuple[bytes, Callable[[Path], Any]]:
    """A file of a layout, and the reading of the layout with that file as it lies there."""

    def read(root: Path) -> Any:
        for file in TREES[layout].keys() - {name}:
            put(root / file, TREES[layout][file])
        found = layout.LAYOUT.read(root), list(layout.LAYOUT.sources(root))
        assert str(found).encode() and all(video.id.encode() for video in found[0].videos)
        return found

    return TREES[layout][name], read


#: file -> (a sound sample, its reader)
READERS: dict[str, tuple[bytes, Callable[[Path], Any]]] = {
    "train_qa.json": (QUESTIONS, questions),
    MAPPING: ("AbCd_1_2 vid1\n-x_ü_3_4 vid12\n".encode(), mapping),
    VOCABULARY: ('Index,Name,More\n0,Game,x\n3,"Vidéo, game",\n'.encode(), lambda root: read_vocabulary(root, VOCABULARY)),
    ucf101.CLASSES: (UCF_CLASSES, lambda root: clips(root, ucf101.CLASSES)),
    TRAIN: (UCF_CLIPS, lambda root: clips(root, TRAIN)),
    esc50.TABLE: (ESC_TABLE, sounds),
    HMDB_LIST: tree(hmdb51, HMDB_LIST),
    FEW_LIST: tree(hmdb51, FEW_LIST),
    KINETICS: tree(kinetics, KINETICS),
    labelled.TABLE: tree(labelled, labelled.TABLE),
    csv_qa.TABLE: tree(csv_qa, csv_qa.TABLE),
    csv_labels.TABLE: tree(csv_labels, csv_labels.TABLE),
    fsd50k.VOCABULARY: tree(fsd50k, fsd50k.VOCABULARY),
    FSD_DEV: tree(fsd50k, FSD_DEV),
    SOUND_LIST: tree(kinetics_sound, SOUND_LIST),
    THUMOS_LIST: tree(thumos14, THUMOS_LIST),
    THUMOS_INFO: tree(thumos14, THUMOS_INFO),
    THUMOS_TRUTH: tree(thumos14, THUMOS_TRUTH),
    EIGENVALUES: (_npy(np.array([4, 2, 1], np.float32)), lambda root: read_eigenvalues(root, EIGENVALUES)),
}
#: What may lie there although it holds nothing: tables that need not be there, and a class without an instance.
FIT = {(EIGENVALUES, "an npy file"), (THUMOS_INFO, "nothing"), (THUMOS_TRUTH, "nothing"), (THUMOS_LIST, "an empty file")}
EACH = pytest.mark.parametrize("name", READERS)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the files lie. The few-shot lists that are shipped have a line each here, instead of thousands."""
    for name in READERS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    shipped = tmp_path_factory.getbasetemp() / "few-shot-lists"
    for folder in (hmdb51.FEW_SHOT, kinetics.FEW_SHOT, ucf101.FEW_SHOT):
        for part in few_shot.PARTS:
            put(shipped / folder / f"{part}list03.txt", f"{part} class/{part} clip\n".encode())
    monkeypatch.setattr(few_shot, "SHIPPED", shipped)


@EACH
@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_such_file_is_refused(name: str, what: str, tmp_path: Path) -> None:
    WRONG[what](tmp_path / name)
    fits = (name, what) in FIT
    assert (refusal(tmp_path / name, lambda: READERS[name][1](tmp_path)) is None) <= fits


@EACH
def test_cut_at_any_byte_it_is_read_or_refused(name: str, tmp_path: Path) -> None:
    sample, read = READERS[name]
    refused = 0
    for cut in truncations(sample):
        (tmp_path / name).write_bytes(cut)
        refused += refusal(tmp_path / name, lambda: read(tmp_path)) is not None
    assert refused >= (len(sample) if name in ("train_qa.json", EIGENVALUES) else 10)
    (tmp_path / name).write_bytes(sample)
    assert refusal(tmp_path / name, lambda: read(tmp_path)) is None


@EACH
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spoilt_it_is_read_or_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    sample, read = READERS[name]
    (tmp_path / name).write_bytes(data.draw(spoilt(sample)))
    refusal(tmp_path / name, lambda: read(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'[{"video_id": 1' + b"0" * 5000 + b"}]", "entry 0: key 'video_id': expected an integer, found a fraction"),
        (b'[{"video_id": 99999999999999999999, "question": "q", "answer": "a"}]', "expected an integer, found a fraction"),
        (b'[{"video_id": NaN, "question": "q", "answer": "a"}]', "found a fraction .NaN"),
        (b'[{"video_id": 1, "video_id": 2, "question": "q", "answer": "a"}]', "object 1: key 'video_id' stands twice"),
        (b'[{"video_id": 1, "question": "\\ud800", "answer": "a"}]', r"key 'question' holds half a character: '\\ud800'"),
        (b"[" * 1_000_000, "nested too deeply"),
        (b"[" + b"[]," * 6_000_000 + b"[]]", "more than 5,000,000 values"),
        (b"[" + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"]", "nested too deeply"),
        ('[{"question": "é"}]'.encode("utf-16"), "byte 0: not UTF-8 text, but UTF-16"),
    ],
    ids=["a number of 5000 digits", "20 digits", "NaN", "twice", "half", "arrays", "many", "objects", "UTF-16"],
)
def test_hostile_annotations_are_refused_by_place(text: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "train_qa.json").write_bytes(text)
    error = refusal(tmp_path / "train_qa.json", lambda: questions(tmp_path))
    assert error is not None
    with pytest.raises(type(error), match=message):
        raise error


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (MAPPING, b"name vid" + b"1" * 5000, "line 1: expected"),
        (MAPPING, b"a\0b vid1\n", "line 1: expected '<name> vid<n>'"),
        (MAPPING, b"\n" * (17 << 20), "too large: 17,825,792 bytes"),
        (VOCABULARY, b'Index,Name\n0,"Game\n1,Vehicle\n', "line 3: unexpected end of data"),
        (VOCABULARY, b"Index,Name\n0," + b"x" * 200_000, "line 2: field larger than"),
        (VOCABULARY, "Index,Name\n0,Vidéo\n".encode("latin-1"), "byte 16: not UTF-8"),
        (EIGENVALUES, _npy(np.zeros(3, np.float32)).replace(b"(3,)", b"(9999999999999,)"), "is no npy file of numbers, or is cut short"),
        (EIGENVALUES, _npy(np.array([None])), "is no npy file of numbers"),
    ],
)
def test_hostile_tables_are_refused_by_place(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    error = refusal(tmp_path / name, lambda: READERS[name][1](tmp_path))
    assert error is not None and message in error.message


def test_a_sparse_array_larger_than_any_eigenvalues_is_refused(tmp_path: Path) -> None:
    path = tmp_path / EIGENVALUES
    data = _npy(np.zeros(3, np.float32))
    path.write_bytes(data.replace(b"(3,), }" + b" " * 8, b"(100000000,), }"))
    with path.open("r+b") as file:
        file.truncate(128 + 4 * 10**8)
    error = refusal(path, lambda: read_eigenvalues(tmp_path, EIGENVALUES))
    assert error is not None and "400,000,000 bytes large" in error.message
