"""Configuration: what is merged over what, and what is refused."""

import pytest


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("student.kd_alhpa=1", "did you mean 'student.kd_alpha'"),
        ("nonsense=1", "unknown key 'nonsense'"),
        ("student.kd_alpha=strong", "must be of type float"),
        ("seeds=two", "must be of type int"),
        ("seeds=true", "must be of type int"),
        ("extract.backbone=smal", "is not one of small, small3d, big"),
        ("world.layout=other", "world.layout is decided by the graph"),
        ("teacher.seed=5", "teacher.seed is decided by the graph"),
        ("student.kd_alpha", "expected key=value"),
        ("student.kd_alpha=[1", "student.kd_alpha=[1"),
    ],
)
def test_a_bad_setting_is_an_error_that_helps(house, setting: str, message: str) -> None:
    assert message in house.run("status", "--set", setting, code=1).stderr


def test_unknown_names_are_answered_with_the_nearest(house) -> None:
    assert "did you mean 'world'?" in house.run("status", "--dataset", "wrld", code=1).stderr
    assert "did you mean 'videoqa'?" in house.run("status", "--system", "videoq", code=1).stderr
    assert "did you mean 'teacher'?" in house.run("run", "techer", code=1).stderr
    assert "did you mean 'status'" in house.run("statsu", code=2).stderr


def test_later_layers_win(house) -> None:
    import json

    def alpha(*arguments: str) -> float:
        house.run("run", "student.kd", *arguments)
        return json.loads(house.run("show", "student.kd.s0", "--json", *arguments).stdout)["key"]["params"]["kd_alpha"]

    assert alpha() == 0.5
    (house.root / "kdpipe.local.yaml").write_text("student.kd_alpha: 0.6\n")
    assert alpha() == 0.6
    assert alpha("--set", "student.kd_alpha=1e-1") == 0.1


def test_a_sections_key_holds_for_its_subsections(house) -> None:
    import json

    settings = ("--set", "extract.backbone=big", "--set", "extract.motion.backbone=small3d")
    house.run("run", "features", *settings)

    def backbone(node: str) -> str:
        return json.loads(house.run("show", node, "--json", *settings).stdout)["key"]["params"]["backbone"]

    assert (backbone("extract.appearance"), backbone("extract.motion")) == ("big", "small3d")


def test_what_comes_later_wins_even_if_it_speaks_of_more(house) -> None:
    import json

    (house.root / "kdpipe.local.yaml").write_text("extract.motion.backbone: small3d\n")
    house.run("run", "features", "--set", "extract.backbone=big")
    params = json.loads(house.run("show", "extract.motion", "--json", "--set", "extract.backbone=big").stdout)["key"]["params"]
    assert params["backbone"] == "big"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds: 1\nseeds: 2\n", "stands twice"),
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("student:\n  kd_alpha: 1\n", "flat"),
        ("- 1\n", "key: value"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n", "aliases"),
        ("a: " + "[" * 20000, "nested too deeply"),
        ("seeds: " + "9" * 5000 + "\n", "digits"),
        ("\0: 1\n", "line 1: the character 0x0 is not allowed"),
        ("seeds: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
    ],
)
def test_bad_yaml_is_refused(house, text: str, message: str) -> None:
    (house.root / "configs/datasets/bad.yaml").write_text(text)
    assert message in house.run("status", "--dataset", "bad", code=1).stderr


def test_defaults_can_be_changed_by_environment_and_local_file(house) -> None:
    (house.root / "configs/datasets/other.yaml").write_text("source: world\nlayout: toy\n")
    house.environment["KDPIPE_DATASET"] = "other"
    assert "videoqa on other" in house.run("status").stdout
    del house.environment["KDPIPE_DATASET"]
    (house.root / "kdpipe.local.yaml").write_text("dataset: other\n")
    assert "videoqa on other" in house.run("status").stdout
    (house.root / "kdpipe.local.yaml").write_text("dataset: files\nvideoqa.dataset: other\n")
    assert "videoqa on other" in house.run("status").stdout


def test_a_recipe_of_the_system_for_the_dataset_comes_after_both_and_before_the_local_file(house) -> None:
    import json

    def clips() -> int:
        house.run("run", "sample")
        return json.loads(house.run("show", "sample", "--json").stdout)["key"]["params"]["num_clips"]

    assert clips() == 4  # the system's
    (house.root / "configs/datasets/world.yaml").write_text("source: world\nlayout: toy\nsample.num_clips: 5\n")
    assert clips() == 5
    (house.root / "configs/systems/videoqa.world.yaml").write_text("sample.num_clips: 6\n")
    assert clips() == 6
    (house.root / "kdpipe.local.yaml").write_text("sample.num_clips: 7\n")
    assert clips() == 7
    (house.root / "configs/systems/videoqa.world.yaml").write_text("sample.num_clps: 6\n")
    assert "configs/systems/videoqa.world.yaml, line 1: unknown key" in house.run("status", code=1).stderr


def test_without_any_dataset_the_known_ones_are_named(house) -> None:
    (house.root / "configs/systems/videoqa.yaml").write_text("seeds: 2\n")
    assert "no dataset is named, and videoqa has none of its own\n  --dataset; known: files, world" in house.run("status", code=1).stderr
