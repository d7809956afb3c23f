"""Looking at finished results needs neither the raw data nor the disk that it was on; computing does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ON_FILES = ("--dataset", "files")


@pytest.fixture
def finished(house, videos: Path):
    """A house with a report of dataset ``files``, whose data root is known no more."""
    house.run("run", "report", *ON_FILES)
    del house.environment["DATA_ROOT"]
    return house


LOOKS = (["status"], ["report"], ["why", "index"], ["ls"], ["ls", "--tree", "report"], ["ls", "--graph", "svg"], ["show", "index"],
         ["show", "sample", "--ledger"], ["open", "sample"], ["pin", "report", "--as", "paper"])  # fmt: skip


@pytest.mark.parametrize("verb", LOOKS, ids=" ".join)
@pytest.mark.parametrize("root", [None, "/nowhere/at/all"])
def test_every_looking_verb_shows_finished_results_without_a_data_root(finished, verb: list[str], root: str | None) -> None:
    arguments = ["--data-root", root] if root else []
    done = finished.run(*verb, *ON_FILES, *arguments)
    assert done.stdout and "error" not in done.stderr


def test_status_says_as_of_when_it_shows(finished) -> None:
    rows = {row["node"]: row for row in json.loads(finished.run("status", "--json", *ON_FILES).stdout)}
    assert {row["status"] for row in rows.values()} == {"fresh"}
    assert rows["index"]["reason"] == f"DATA_ROOT is not set: dataset files is read from files; shown as of {rows['index']['made']}"
    assert rows["sample"]["reason"] == ""
    text = finished.run("status", *ON_FILES).stdout
    assert "DATA_ROOT is not set" in text and "next:" not in text
    assert "shown as of" in finished.run("report", *ON_FILES).stderr


def test_an_edit_is_seen_without_a_data_root_too(finished) -> None:
    finished.edit("stages/index/run.py", "import json", "import json\n\nMORE = 1")
    rows = {row["node"]: row for row in json.loads(finished.run("status", "--json", *ON_FILES).stdout)}
    assert rows["index"]["status"] == "stale" and "stages/index/run.py" in rows["index"]["reason"]
    assert rows["sample"]["status"] == "waits"


def test_nothing_is_computed_by_what_the_data_were(finished) -> None:
    for verb in (["run", "report"], ["plan"], ["plan", "--make"], ["index"]):
        error = finished.run(*verb, *ON_FILES, code=1).stderr
        assert "DATA_ROOT is not set" in error and "data_root.files: " in error


def test_a_dataset_that_was_never_made_is_shown_as_such(house) -> None:
    rows = {row["node"]: row for row in json.loads(house.run("status", "--json", *ON_FILES).stdout)}
    assert rows["index"]["status"] == "missing" and rows["index"]["reason"].startswith("never made; DATA_ROOT is not set")
    assert "never made" in house.run("show", "index", *ON_FILES, code=1).stderr


def test_an_external_file_that_is_away_is_taken_to_be_what_it_was(house) -> None:
    glove = house.root / "glove.txt"
    glove.write_text("the 0.1")
    settings = ("--set", f"questions.glove_file={glove}")
    house.run("run", "report", *settings)
    glove.rename(house.root / "away.txt")
    rows = {row["node"]: row for row in json.loads(house.run("status", "--json", *settings).stdout)}
    assert {row["status"] for row in rows.values()} == {"fresh"} and "shown as of" in rows["questions"]["reason"]
    assert house.run("report", *settings).stdout
    house.run("run", "report", *settings, code=1)


def test_what_was_never_made_is_not_called_new_or_changed(house, videos: Path) -> None:
    (videos / "big.txt").write_bytes(b"x" * (33 << 20))
    row = json.loads(house.run("status", "index", "--json", *ON_FILES).stdout)[0]
    assert (row["status"], row["reason"]) == ("missing", "never made")


# -- data_root in kdpipe.local.yaml --------------------------------------------------------------------------------------


def test_the_local_file_says_where_a_dataset_lies(finished, videos: Path) -> None:
    local = finished.root / "kdpipe.local.yaml"
    local.write_text("data_root.files: raw\n")  # beside the file
    assert "up to date" in finished.run("run", "report", *ON_FILES).stderr
    local.write_text(f"data_root.files: {videos}\ndata_root.world: /elsewhere\n")
    assert "up to date" in finished.run("run", "report", *ON_FILES).stderr
    other = finished.root / "other"
    other.mkdir()
    (other / "z.txt").write_text("video z")
    assert "done in" in finished.run("run", "index", *ON_FILES, "--data-root", str(other)).stderr
    finished.environment["DATA_ROOT"] = str(other)
    assert "up to date" in finished.run("run", "index", *ON_FILES).stderr, "the environment comes before the file"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("data_root.fils: /data", "data_root.fils: there is no dataset 'fils'\n  did you mean 'files'?"),
        ("data_root: /data", "data_root: it does not say of which dataset\n  data_root.NAME: PATH"),
        ("data_root.files: 3", "data_root.files = 3 must be a path"),
        ("data_root.files:", "data_root.files = None must be a path"),
    ],
)
def test_a_wrong_data_root_is_named(house, text: str, says: str) -> None:
    (house.root / "kdpipe.local.yaml").write_text(text + "\n")
    assert says in house.run("status", code=1).stderr
