"""Whatever the ids of a dataset are, features that left the store as npy files are found again, and by compare-features too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cache.errors import DataError
from cache.names import LONGEST, escape, unescape
from cache.stage import Quiet
from pipeline.comparing import compare
from pipeline.exporting import Stored, export
from pipeline.offers import matched, offers
from stages.imported.ids import match
from stages.imported.source import Tree

LONG = "视频数据集里的一个很长很长的名字第二十一字呀"
#: Any text, repeated until it is past what a file's name holds, some of it differing in its end, its case or its Unicode form only.
NAMES = st.builds(
    lambda text, times, end: text * times + end,
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8),
    st.integers(1, 60),
    st.sampled_from(["", "a", "A", "é", "e\u0301", "/b", ".npy", "%41", "\0"]),
)


class Reader:
    """Rows in memory, as those of a feature file."""

    def __init__(self, ids: list[str]) -> None:
        self.ids, self.shape = ids, (2, 3)

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, id: str | int) -> np.ndarray:
        number = self.ids.index(id) if isinstance(id, str) else id
        return np.full(self.shape, number + 1, np.float32)


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(NAMES, unique=True, min_size=1, max_size=6))
@example(ids=[LONG])
@example(ids=[LONG, LONG + "a", LONG + "b", "plain"])
@example(ids=["x" * 300, "X" * 300, "video1", "1"])
@example(ids=["A", "%41"])
def test_rows_of_any_ids_are_found_again_each_under_its_own(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    target = tmp_path_factory.mktemp("round") / "feat"
    export(Stored({}, Reader(ids)), target, "npy", Quiet)  # type: ignore[arg-type]
    with Tree(target) as tree:
        for rule in ("escaped", "auto"):
            found = match(tree.ids, ids, rule)
            assert (found.missing, found.unexpected) == ((), ())
            assert [float(tree.row(found.rows[id])[0, 0]) for id in ids] == [n + 1 for n in range(len(ids))]


@pytest.mark.parametrize("ids", [[LONG, LONG + "a", "Case", "case", "a/b"], ["x" * 181, "12"]], ids=["long", "ascii"])
def test_an_export_is_compared_with_what_it_was_made_from(tmp_path: Path, ids: list[str]) -> None:
    assert unescape(escape(ids[0])) is None  # its name is shortened
    assert len(escape(ids[0])) <= LONGEST
    export(Stored({}, Reader(ids)), tmp_path / "feat", "npy", Quiet)  # type: ignore[arg-type]
    with Tree(tmp_path / "feat") as tree:
        for first, second in ((Reader(ids), tree), (tree, Reader(ids))):
            found = compare(first, second, Quiet)  # type: ignore[arg-type]
            assert (len(found.rows), found.only_first, found.only_second, found.largest) == (len(ids), (), (), 0.0)
            assert {row.id for row in found.rows} == set(ids)


def test_who_names_the_directory_above_the_trees_is_told_the_trees(tmp_path: Path) -> None:
    for kind in ("appearance", "motion"):
        (tmp_path / "an export" / f"{kind}_feat").mkdir(parents=True)
        for id in ("1", "2"):
            np.save(tmp_path / "an export" / f"{kind}_feat" / f"{id}.npy", np.zeros((2, 3), np.float32))
    (tmp_path / "media.jsonl").write_text('{"id": "1"}\n{"id": "2"}\n')
    [offer] = offers([tmp_path / "an export"], "motion", "", "")
    with pytest.raises(DataError) as refused:
        matched(offer, tmp_path, "auto")
    for kind in ("appearance", "motion"):
        assert f"'{tmp_path}/an export/{kind}_feat'" in refused.value.hint
    (tmp_path / "media.jsonl").write_text('{"id": "3"}\n')
    with pytest.raises(DataError) as refused:
        matched(offer, tmp_path, "auto")
    assert "another dataset" in refused.value.hint
