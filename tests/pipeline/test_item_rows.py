"""No row is ever used for something else: whatever can change a row is in its own key or in that of its set."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cache.digest import digest_file
from cache.errors import DataError
from cache.items import ItemSet
from cache.ledger import Ledger
from cache.record import SOURCES, Key
from cache.stage import Context, Node, Quiet
from pipeline.config import Config, names
from pipeline.graph import build
from stages.derive import DeriveParams
from stages.derive.run import run as derive
from stages.extract import ExtractParams
from stages.extract.run import run as extract
from stages.ingest import IngestParams
from stages.ingest.run import run as ingest
from stages.sample import SampleParams
from stages.sample.run import run as sample
from systems.litemkd import DumpParams
from tests.extract.conftest import payload
from tests.ingest.conftest import AUDIO, RGB, shard, video
from tests.litemkd.conftest import frames, make_bench, write_frames, write_index
from tests.media.conftest import write_video

Rows = dict[str, tuple[dict[str, Any], bytes]]


@functools.cache
def item_nodes() -> list[Node]:
    """Every use of an item stage in the graphs of all datasets and systems."""
    graphs = [build(Config(dataset, system)) for dataset in names("datasets") for system in names("systems")]
    return [node for graph in graphs for node in graph.nodes.values() if node.stage.items]


def test_an_input_that_rows_do_not_stand_for_is_in_the_key_of_their_set() -> None:
    for node in item_nodes():
        inputs = {alias: alias for alias in node.reads}
        key = Key(node.stage.name, 1, node.stage.entry, {}, {}, inputs)
        for alias in [*inputs, "one more"]:
            other = Key(node.stage.name, 1, node.stage.entry, {}, {}, {**inputs, alias: "something else"})
            assert (other.item_key(node.stage.items) == key.item_key(node.stage.items)) == (alias in node.stage.items), (node.name, alias)


def test_rows_stand_for_inputs_that_there_are() -> None:
    for stage in {node.stage for node in item_nodes()}:
        read = {alias for node in item_nodes() if node.stage == stage for alias in node.reads}
        assert set(stage.items) <= read | ({SOURCES} if stage.sources else set()), stage.name


def test_a_dump_of_one_teacher_is_not_used_for_another(house) -> None:
    """A stage that reads a teacher beside the videos, and names the videos alone: each seed has rows of its own teacher."""
    declared = 'DUMP = Stage("dump", "systems.videoqa.dump:run", TrainParams, items=("sample",))'
    reads = '{"sample": "sample", "teacher": f"teacher.s{seed}"}'
    house.edit("systems/videoqa/__init__.py", "\ndef nodes", f"{declared}\n\ndef nodes")
    house.edit(
        "systems/videoqa/__init__.py", "        kd =", f'        yield Node(f"dump.s{{seed}}", DUMP, TrainParams(), {reads})\n        kd ='
    )
    house.edit("systems/videoqa/__init__.py", '{**features, "teacher": f"teacher', '{**features, "teacher": f"dump')
    (house.root / "systems/videoqa/dump.py").write_text(
        "import json\n\n"
        "def run(ctx):\n"
        '    teacher = (ctx.inputs["teacher"] / "model").read_bytes()\n'
        '    rows = json.loads((ctx.inputs["sample"] / "rows.json").read_text()).values()\n'
        "    for row in rows:\n"
        "        ctx.items.append(row, teacher)\n"
        '    (ctx.out / "model").write_bytes(b"".join(ctx.items.get(row).payload for row in rows))\n'
    )
    house.computed("dump")
    said = [json.loads(house.run("show", f"dump.s{seed}", "--json").stdout)["files"] for seed in (0, 1)]
    dumps = [(Path(files) / "model").read_text() for files in said]
    assert "seed=0" in dumps[0] and "seed=1" not in dumps[0]
    assert "seed=1" in dumps[1] and "seed=0" not in dumps[1]


# -- the rows of the real stages, made twice in other surroundings --------------------------------------------------------


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def rows_of(where: Path, run: Callable[[Context], None], params: Any, **given: Any) -> Rows:
    """The rows that a stage makes in an item set of its own."""
    out = where / "out"
    out.mkdir()
    run(Context(params, out, where, Ledger(), Quiet, root=where, items=ItemSet(where / "items"), **given))
    items = ItemSet(where / "items", writable=False)
    found = [items.get(key) for key in items.keys()]  # noqa: SIM118 - not a mapping
    return {item.key: (item.meta, bytes(item.payload)) for item in found if item is not None}


def index_of(where: Path, files: dict[str, Path], **about: Any) -> Path:
    """An index of files under the names and ids that are given, in this order."""
    for name, path in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, where / name)
    rows = [{"id": f"{where.name} {name}", "path": name, "digest": digest_file(path), "splits": ["train"]} for name, path in files.items()]
    write_lines(where / "index" / "media.jsonl", rows)
    (where / "index" / "dataset.json").write_text(json.dumps({"name": where.name, "layout": where.name, **about}))
    return where / "index"


def sampled(tmp: Path) -> Iterator[Rows]:
    whole, short = write_video(tmp / "a.avi", 30), write_video(tmp / "b.mp4", 3, codec="libx264")
    (tmp / "text").write_text("no video\n" * 100)
    (tmp / "cut").write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    one = index_of(tmp / "one", {"a.avi": whole, "b.mp4": short, "c.avi": tmp / "text", "d.avi": tmp / "cut"})
    two = index_of(tmp / "two", {"d/9.mkv": tmp / "cut", "8.webm": tmp / "text", "7.mpg": whole})
    for index, workers in ((one, 1), (two, 2)):
        yield rows_of(index.parent, sample, SampleParams(num_clips=2, frames_per_clip=4), inputs={"index": index}, workers=workers)


def ingested(tmp: Path) -> Iterator[Rows]:
    named = shard(tmp / "named", video("x", labels=(3, 70)), video("y"))
    nameless = shard(tmp / "nameless", video(""), video("", 2))
    one = index_of(tmp / "one", {"train00.tfrecord": nameless, "train01.tfrecord": named}, level="frame")
    two = index_of(tmp / "two", {"train7.tfrecord": named, "train8.tfrecord": nameless}, level="frame", num_classes=71)
    for index in (one, two):
        yield rows_of(index.parent, ingest, IngestParams(rgb=RGB, audio=AUDIO), inputs={"index": index})


def extracted(tmp: Path) -> Iterator[Rows]:
    yield from over_frames(tmp, extract, ExtractParams(weights="random", image_size=32))


def derived(tmp: Path) -> Iterator[Rows]:
    yield from over_frames(tmp, derive, DeriveParams(kind="flow", pairs="next-sample"))


def over_frames(tmp: Path, run: Callable[[Context], None], params: Any) -> Iterator[Rows]:
    """The rows of a stage that reads sampled frames, twice."""
    payloads = {seed: payload(seed) for seed in (1, 2, 3)}
    for name, order in (("one", (1, 2)), ("two", (3, 2, 1))):
        where, items = tmp / name, ItemSet(tmp / name / "frames")
        media = {seed: hashlib.sha256(f"{name} {seed}".encode()).hexdigest() for seed in order}  # other files with equal frames
        for seed in order:
            items.append(media[seed], payloads[seed], {"state": "ok"})
        items.flush()
        write_lines(where / "index" / "media.jsonl", [{"id": f"{name} {seed}"} for seed in order])
        (where / "index" / "dataset.json").write_text(json.dumps({"name": name}))
        about = [{"id": f"{name} {n}", "media": media[n], "frames": hashlib.sha256(payloads[n]).hexdigest(), "count": 9} for n in order]
        write_lines(where / "sample" / "frames.jsonl", about)
        inputs = {"index": where / "index", "sample": where / "sample"}
        yield rows_of(where, run, params, inputs=inputs, input_items={"sample": items})


def dumped(tmp: Path) -> Iterator[Rows]:
    from systems.litemkd.dump import run as dump

    one, two = make_bench(tmp / "one", modalities=("rgb",)), make_bench(tmp / "two", modalities=("rgb",))
    expert = one.expert()
    lines = [{**line, "id": f"other {line['id']}"} for line in frames(two.root / "rgb")[:1:-1]]
    write_frames(two.root / "rgb", lines)
    two.videos = {line["id"]: one.videos[line["id"].removeprefix("other ")] for line in lines}
    write_index(two)
    for bench in (one, two):
        inputs = {"index": bench.index, "expert": expert, "frames": bench.root / "rgb"}
        where, items = bench.root / "rows", ItemSet(bench.root / "rgb" / "items", writable=False)
        where.mkdir()
        yield rows_of(where, dump, DumpParams(backbone="small2d"), inputs=inputs, input_items={"frames": items})


def encoded(tmp: Path) -> Iterator[Rows]:
    from systems.xkd.encode import run as encode
    from systems.xkd.params import EncodeParams
    from tests.xkd.bench import make_bench as make_recordings
    from tests.xkd.bench import write_frames as write_pictures
    from tests.xkd.bench import write_index as write_list
    from tests.xkd.bench import write_sound

    pretrain = make_recordings(tmp / "one").pretrain(learns="random").out
    for name, order in (("one", 1), ("two", -1)):
        where = tmp / name
        bench = make_recordings(where)
        if order < 0:  # other ids in another order, on equal frames and sounds
            other = {id: f"other {id}" for id in bench.videos}
            for artifact, write in (("frames", write_pictures), ("sound", write_sound)):
                shutil.rmtree(where / artifact)
                write(bench, other)
            bench.videos = {other[id]: video for id, video in reversed(bench.videos.items())}
            write_list(bench)
        inputs = {alias: where / alias for alias in ("index", "frames", "sound")} | {"pretrain": pretrain}
        items = {alias: ItemSet(where / alias / "items", writable=False) for alias in ("frames", "sound")}
        (where / "rows").mkdir()
        yield rows_of(where / "rows", encode, EncodeParams(train_clips=2, test_clips=2), inputs=inputs, input_items=items)


TWICE: dict[str, Callable[[Path], Iterator[Rows]]] = {
    "sample": sampled,
    "ingest": ingested,
    "extract": extracted,
    "derive": derived,
    "dump": dumped,
    "encode": encoded,
}


def test_every_item_stage_is_tried_twice() -> None:
    assert TWICE.keys() == {node.stage.name for node in item_nodes()}


@pytest.mark.parametrize("stage", TWICE)
def test_a_row_is_the_same_wherever_it_was_made(stage: str, tmp_path: Path) -> None:
    """Ids, names, neighbours, their order and whatever else the inputs hold are other ones: rows of one key have the same bytes."""
    one, two = TWICE[stage](tmp_path)
    assert len(one.keys() & two.keys()) >= 2
    for key in one.keys() & two.keys():
        assert one[key] == two[key]


def test_a_shard_that_was_read_as_records_of_the_wrong_level_is_read_again(tmp_path: Path) -> None:
    path = shard(tmp_path / "shard", video("x"))
    index = index_of(tmp_path / "data", {"train0.tfrecord": path}, level="video")
    params = IngestParams(rgb=RGB, audio=AUDIO, damaged="skip")
    with pytest.raises(DataError, match="no shard holds a video"):
        rows_of(index.parent, ingest, params, inputs={"index": index})
    shutil.rmtree(tmp_path / "data" / "out")
    index = index_of(tmp_path / "data", {"train0.tfrecord": path}, level="frame")
    rows_of(index.parent, ingest, params, inputs={"index": index})
    assert json.loads((tmp_path / "data" / "out" / "frames.json").read_text())["partitions"]["train"]["videos"] == 1
