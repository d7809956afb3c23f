"""Bring your own features: the commands, for real, on sixteen drawn videos."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from models.evaluation.features import flags
from tests import warm
from tests.command import PROJECT, kdpipe, variables
from tests.features.conftest import published

NETWORK = [word for key in ("module_dim=16", "epochs=2", "batch_size=32") for word in ("--set", f"teacher.{key}")]

pytestmark = pytest.mark.long


def call(store: Path, *words: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    return kdpipe(store, *words, code=code, **{"KDPIPE_DATASET": "tiny", **environment})


@pytest.fixture(scope="module")
def computed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory: a store with computed features, their export, and the drawn dataset without its videos."""
    base = tmp_path_factory.mktemp("computed")
    (base / "store").symlink_to(finished)
    call(base / "store", "export-features", str(base / "features"))
    shutil.copytree(shown(finished, "world")["files"], base / "data", ignore=shutil.ignore_patterns("YouTubeClips"))
    return base


@pytest.fixture
def store(computed: Path, tmp_path: Path) -> Path:
    """A copy of that store."""
    shutil.copytree(computed / "store", tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def files(computed: Path, tmp_path: Path) -> list[str]:
    """The features as somebody else would have published them: other names, shuffled, double precision, compressed."""
    made = []
    for kind, array in (("appearance", "resnet_features"), ("motion", "resnext_features")):
        with h5py.File(computed / "features" / f"msvd-qa_{kind}_feat.h5") as file:
            rows, ids = file[array][:], file["ids"][:]
        order = np.random.default_rng(len(kind)).permutation(len(ids))
        path = tmp_path / f"msvd-qa_{kind}_feat_24.h5"
        made.append(str(published(path, rows[order].astype(np.float64), ids[order].astype(np.int32), array, compression="gzip")))
    return made


def status(store: Path, *arguments: str, **environment: str) -> dict[str, dict]:
    return {row["node"]: row for row in json.loads(call(store, "status", "--json", *arguments, **environment).stdout)}


def shown(store: Path, *arguments: str, **environment: str) -> dict:
    return json.loads(call(store, "show", "--json", *arguments, **environment).stdout)


def test_a_teacher_on_imported_features_has_the_bits_of_one_on_computed_features(store: Path, files: list[str]) -> None:
    teacher = shown(store, "teacher.s0")
    assert "imported motion" in call(store, "import-features", *files).stdout
    assert status(store, "--seed", "0")["teacher.s0"]["status"] == "stale"
    assert "teacher.s0: done" in call(store, "run", "teacher", "--seed", "0").stderr
    again = shown(store, "teacher.s0")
    assert again["digest"] != teacher["digest"] and again["object"] == teacher["object"]
    assert "0 damaged, 0 notes" in call(store, "fsck", "--all").stdout
    call(store, "gc", "--yes", "--keep", "0", "--grace", "0")
    assert status(store, "--seed", "0")["teacher.s0"]["status"] == "fresh"


def test_without_videos_the_whole_way_is_open(computed: Path, files: list[str], tmp_path: Path) -> None:
    store, settings = tmp_path / "store", {"KDPIPE_DATASET": "msvd", "DATA_ROOT": str(computed / "data")}
    call(store, "import-features", *files, **settings)
    nodes = status(store, "--seed", "0", **settings)
    assert "sample" not in nodes and nodes["index"]["ledger"] == {"missing": 16}
    plan = json.loads(call(store, "plan", "extract.motion", "--json", "--set", "imports=ignore", **settings).stdout)
    assert {row["node"]: row["estimate_s"] for row in plan}["extract.motion"] is None  # copying tells nothing of computing
    call(store, "run", "teacher", "--seed", "0", *NETWORK, **settings)
    assert shown(store, "teacher.s0", *NETWORK, **settings)["object"] == shown(computed / "store", "teacher.s0")["object"]


def test_status_show_and_ls_say_that_it_was_imported_and_from_what(store: Path, files: list[str]) -> None:
    call(store, "import-features", *files)
    for kind, path in zip(("appearance", "motion"), files):
        assert f"extract.{kind}" in (text := call(store, "status", f"extract.{kind}").stdout) and f"imported from {path}, sha256 " in text
        assert status(store)[f"extract.{kind}"]["imported"].startswith(f"imported from {path}")
        assert f"  imported  from {path}, 20" in call(store, "show", f"extract.{kind}").stdout
        about = json.loads((Path(shown(store, f"extract.{kind}")["files"]) / "features.json").read_text())
        assert about["backbone"] == about["weights"] == "imported" and about["imported"]["dtype"] == "float64"
    rows = [line for line in call(store, "ls").stdout.splitlines() if "extract." in line]
    assert len(rows) == 2 and all(row.endswith("current, imported") for row in rows)
    assert status(store, "--set", "imports=ignore")["extract.motion"]["imported"] == ""
    why = call(store, "why", "extract.motion", "--set", "imports=ignore", "--set", "extract.image_size=96").stdout
    assert "its features are computed now, they were imported" in why


def test_it_can_be_undone_and_what_was_computed_is_fresh_again(store: Path, files: list[str]) -> None:
    before = {name: row["result"] for name, row in status(store, "--seed", "0").items() if row["status"] == "fresh"}
    call(store, "import-features", *files)
    call(store, "import-features", "--undo", "--dry-run")
    assert all(status(store)[f"extract.{kind}"]["imported"] for kind in ("appearance", "motion"))
    key = shown(store, "extract.appearance")["digest"]
    call(store, "import-features", "--undo", "--kind", "motion")
    imported = {name: row["imported"] for name, row in status(store).items() if row["imported"]}
    assert list(imported) == ["extract.appearance"]
    call(store, "import-features", "--undo")
    assert {name: row["result"] for name, row in status(store, "--seed", "0").items() if row["status"] == "fresh"} == before
    assert "features of tiny were imported" in call(store, "import-features", "--undo", code=1).stderr
    assert f"  imported  from {files[0]}, 20" in call(store, "show", key).stdout


def test_the_result_stays_fresh_when_the_file_is_gone(store: Path, files: list[str]) -> None:
    call(store, "import-features", *files)
    for path in files:
        Path(path).unlink()
    rows = status(store)
    assert {rows[f"extract.{kind}"]["status"] for kind in ("appearance", "motion")} == {"fresh"}
    (store / "actions" / (key := rows["extract.motion"]["key"])[:2] / f"{key}.json").unlink()
    assert status(store)["extract.motion"]["status"] == "missing"
    failed = call(store, "run", "extract.motion", code=1).stderr
    assert "is not there any more" in failed and "kdpipe import-features" in failed


def test_an_import_that_was_replaced_keeps_its_provenance(store: Path, files: list[str]) -> None:
    call(store, "import-features", *files)
    first = shown(store, "extract.motion")["digest"]
    call(store, "export-features", "motion", str(store.parent / "again"))
    other = str(store.parent / "again" / "msvd-qa_motion_feat.h5")
    call(store, "import-features", other)
    assert f"  imported  from {files[1]}, 20" in call(store, "show", first).stdout
    assert f"  imported  from {other}, 20" in call(store, "show", "extract.motion").stdout
    assert status(store)["extract.appearance"]["imported"].startswith(f"imported from {files[0]}")


def spoilt(path: str, change: Callable[[np.ndarray], None]) -> None:
    with h5py.File(path, "r+") as file:
        name = next(name for name in file if name != "ids")
        rows = file[name][:]
        change(rows)
        file[name][:] = rows


def test_an_import_that_fails_changes_nothing(store: Path, files: list[str]) -> None:
    def spoil(rows: np.ndarray) -> None:
        rows[3] = np.nan

    spoilt(files[1], spoil)
    before = status(store)
    failed = call(store, "import-features", *files, code=1).stderr
    with h5py.File(files[1]) as file:
        lost = str(file["ids"][3])
    assert f"{lost}: non_finite" in failed and "--tolerance" in failed
    assert status(store) == before and not (store / "imports").exists()
    assert f"  {lost}  non_finite" in call(store, "show", "extract.motion", "--ledger").stdout
    told = call(store, "import-features", *files, "--tolerance", "0.1").stdout
    assert "imported motion: float32 [15, 3, 128], 15 ok, 1 non_finite" in told and f"  {lost}  non_finite" in told


def test_an_import_that_lost_rows_since_is_brought_back_by_the_command_of_its_hint(
    computed: Path, files: list[str], tmp_path: Path
) -> None:
    """The annotations have a video now that the file has no row of: no setting of an extraction tolerates that, an import does."""
    store, data = tmp_path / "store", tmp_path / "data"
    shutil.copytree(computed / "data", data, copy_function=shutil.copyfile)
    settings = {"KDPIPE_DATASET": "msvd", "DATA_ROOT": str(data)}
    call(store, "import-features", *files, **settings)
    with (data / "youtube_mapping.txt").open("a") as names:
        names.write("\nlater_0_10 vid17")
    questions = json.loads((data / "train_qa.json").read_text())
    questions.append({**questions[0], "id": 9999, "video_id": 17})
    (data / "train_qa.json").write_text(json.dumps(questions))
    failed = call(store, "run", "extract.motion", code=1, **settings).stderr
    assert "max_lost" not in failed
    (again,) = re.findall(r"to go on without them: kdpipe (import-features .* --tolerance [0-9.]+)", failed)
    assert files[1] in shlex.split(again)


def test_rows_of_zeros_are_told_and_named_ever_after(store: Path, files: list[str]) -> None:
    def spoil(rows: np.ndarray) -> None:
        rows[[3, 5]] = 0

    spoilt(files[0], spoil)
    assert "14 ok, 2 padded" in call(store, "import-features", *files).stdout
    assert call(store, "show", "extract.appearance", "--ledger").stdout.count("all zeros; used as it is") == 2
    exported = call(store, "export-features", "appearance", str(store.parent / "out")).stdout
    assert "rows of zeros: 2;" in exported


def test_a_dry_run_looks_and_leaves_everything(store: Path, files: list[str]) -> None:
    before = status(store)
    told = call(store, "import-features", *files, "--dry-run").stdout
    assert "float64 is converted to float32" in told and "16 of the dataset's 16 videos have a row" in told
    assert status(store) == before and not (store / "imports").exists()


def test_features_that_do_not_go_together_are_refused(store: Path, files: list[str], tmp_path: Path) -> None:
    with h5py.File(files[1]) as file:
        rows, ids = file["resnext_features"][:], file["ids"][:]
    other = str(published(tmp_path / "motion_feat.h5", rows[:, :2], ids, "resnext_features"))
    assert "clips (first) and width (last) must agree" in call(store, "import-features", files[0], other, code=1).stderr
    assert "appearance features will be computed with 3 clips" in call(store, "import-features", other).stderr
    assert "must agree" in call(store, "import-features", files[0], code=1).stderr
    assert "both hold motion features" in call(store, "import-features", files[1], other, code=1).stderr
    call(store, "import-features", *files)


def test_the_record_of_imports_is_sealed(store: Path, files: list[str]) -> None:
    call(store, "import-features", *files)
    path = store / "imports" / "tiny.json"
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"kind": "motion"', b'"kind": "notion"'))
    failed = call(store, "status", code=1).stderr
    assert "is damaged" in failed and "import them again" in failed
    path.unlink()
    assert status(store)["extract.motion"]["imported"] == ""


def test_a_kill_at_a_write_leaves_computed_or_imported_features_and_a_rerun_completes(store: Path, files: list[str]) -> None:
    """At steps of the publication of new results, and at every second step where the results are there and only named."""
    known = store.parent / "known"
    shutil.copytree(store, known)
    call(known, "import-features", *files)
    call(known, "import-features", "--undo")
    killed = 0
    for number, (start, step) in enumerate([*((store, n) for n in (1, 12, 24, 36, 48)), *((known, n) for n in (2, 4, 6, 8, 10))]):
        place = store.parent / f"killed{number}"
        shutil.copytree(start, place)
        environment = variables(place, KDPIPE_DATASET="tiny", KDPIPE_FAULT=f"kill:{step}")
        done = warm.run("pipeline", "import-features", *files, cwd=PROJECT, env=environment)
        killed += done.returncode == -signal.SIGKILL
        kinds = [row["imported"] for row in status(place).values() if row["node"].startswith("extract.")]
        assert all(kinds) or not any(kinds)
        call(place, "import-features", *files)
        assert all(row["status"] == "fresh" and row["imported"] for name, row in status(place).items() if name.startswith("extract."))
        assert "0 damaged" in call(place, "fsck", "--all").stdout
    assert killed >= 6


def test_an_export_replaces_nothing_unasked(store: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    call(store, "export-features", "motion", out, "--format", "npy")
    assert sorted(path.name for path in (tmp_path / "out" / "msvd-qa_motion_feat").iterdir())[:2] == ["1.npy", "10.npy"]
    failed = call(store, "export-features", out, "--format", "npy", code=1).stderr
    assert "is there already" in failed and "--force" in failed and len(list((tmp_path / "out").iterdir())) == 1
    call(store, "export-features", out, "--format", "npy", "--force")
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert "motion_feat_24.h5" in call(store, "export-features", "motion", out, "--format", "mkd", "--dry-run").stdout
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_compare_says_and_returns_whether_they_agree(store: Path, files: list[str]) -> None:
    same = call(store, "compare-features", files[1], "extract.motion")
    assert "the same: 16 videos in common, 16 equal bit by bit" in same.stdout

    def shake(rows: np.ndarray) -> None:
        rows[0] *= 1.01
        rows[1] *= 1.0001

    spoilt(files[1], shake)
    with h5py.File(files[1]) as file:
        worst = str(file["ids"][0])
    differ = call(store, "compare-features", files[1], "extract.motion", "--top", "1", code=1).stdout
    assert f"\n{worst:5}  " in differ and "and 1 more that differ" in differ and "they differ: 16 videos in common, 14 equal" in differ
    assert "they agree" in call(store, "compare-features", files[1], "extract.motion", "--tolerance", "0.02").stdout
    verdict = json.loads(call(store, "compare-features", files[1], "extract.motion", "--json", code=1).stdout)
    assert (verdict["agree"], verdict["equal"], verdict["videos"]) == (False, 14, 16)
    assert verdict["largest_relative"] == pytest.approx(0.01, rel=1e-3)
    assert "holds no features" in call(store, "compare-features", files[1], "index", code=1).stderr
    assert "no node, no pin and no key" in call(store, "compare-features", files[1], "extract.potion", code=1).stderr


def test_status_of_imported_features_is_light(store: Path, files: list[str]) -> None:
    call(store, "import-features", *files)
    code = (
        "import sys; from click.testing import CliRunner; from pipeline.cli import cli\n"
        "done = CliRunner().invoke(cli, ['status', '--dataset', 'tiny']); assert done.exit_code == 0 and 'imported from' in done.output\n"
        "print([name for name in ('h5py', 'torch', 'numpy', 'av') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=variables(store), capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_report_flags_imported_features() -> None:
    about = {"kind": "motion", "backbone": "imported", "random": False, "imported": {"sha256": "ab" * 32}}
    assert flags([about]) == ["the motion features were imported (sha256 abababababab), not computed here"]
    assert flags([{**about, "imported": None}]) == []
