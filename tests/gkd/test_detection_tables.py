"""Videos and actions of an index as training wants them, and refused where there are none."""

from __future__ import annotations

import pytest

from cache.errors import DataError
from systems.gkd.detection.tables import VideoInfo, listed

CLASSES = ("BaseballPitch", "HighJump")


def test_the_annotations_of_an_index_are_in_frames() -> None:
    rows = [
        {"video_id": "a", "classes": ["HighJump"], "segment": [1.0, 4.0]},
        {"video_id": "elsewhere", "classes": ["HighJump"], "segment": [1.0, 4.0]},
        {"video_id": "a", "classes": ["HighJump", "BaseballPitch"], "segment": [5.0, 6.0]},
    ]
    found = listed(rows, CLASSES, {"a": VideoInfo(25, 10, 500, 200)}, [["a", 1, 2], ["elsewhere", 1, 2], ["a", 3, 4]])
    assert list(found.rows) == ["a"] and found.ambiguous == {"a": 2}
    assert found.rows["a"].tolist() == [[25, 100, 2], [125, 150, 2], [125, 150, 1]]


@pytest.mark.parametrize(("row", "said"), [({"segment": None}, "no part"), ({"classes": ["HighJmp"]}, "'HighJmp' is unknown\n.*HighJump")])
def test_an_index_that_is_no_detection_is_refused(row: dict[str, object], said: str) -> None:
    with pytest.raises(DataError) as caught:
        listed([{"video_id": "a", "classes": ["HighJump"], "segment": [1.0, 4.0]} | row], CLASSES, {"a": VideoInfo(25, 10, 500, 200)})
    assert caught.match(f"a: .*{said}")
