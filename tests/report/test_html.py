"""The page of a report, as a parser of HTML sees it: its numbers are those of the report, and text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cache.errors import KdpipeError
from cache.ledger import Ledger
from models.evaluation.record import Cost, Row, Score
from stages.report.html.axes import Axis
from stages.report.html.data import PAGE
from stages.report.html.gather import TOP, gather
from stages.report.html.markup import element, escaped, script_json
from stages.report.html.write import write
from tests.command import PROJECT
from tests.report.conftest import LABELS, evaluation
from tests.report.pages import HOSTILE, KINDS, evaluations_of, finished, predictions, written

#: network -> its series, for the picture of scores against costs
SIZES = (("student.alone", "alone"), ("big", "alone"), ("student.kd", "distilled"), ("teacher", ""))
VOID = ("meta", "br", "input", "img", "line", "path", "circle")


@dataclass
class Element:
    """An element with what is in it."""

    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Elements below with these attributes, in order."""
        here = [child for child in self.children if isinstance(child, Element)]
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        found = []
        for child in here:
            found += [child] if child.tag == tag and wanted.items() <= child.attributes.items() else []
            found += child.all(tag, **attributes)
        return found

    def one(self, tag: str, **attributes: str) -> Element:
        """The only one."""
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)


class Tree(HTMLParser):
    """Builds the tree, and insists that every element is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(text)
        self.close()
        assert self.open == [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, dict(attrs))
        self.open[-1].children.append(made)
        if tag not in VOID:
            self.open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(index: Path) -> Element:
    return Tree(index.read_text(encoding="utf-8")).root


def data(index: Path, name: str) -> dict:
    """What a file of data hands to the page."""
    text = (index.parent / "data" / f"{name}.js").read_text(encoding="ascii")
    arguments = json.loads(f"[{text.removeprefix('kdpipe_data(').removesuffix(');' + chr(10))}]")
    assert arguments[0] == name
    return arguments[1]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("hostile"))


def rows(part: Element) -> list[list[str]]:
    return [[cell.text.strip() for cell in row.children] for row in part.all("tr")]


def test_the_tables_are_those_of_the_report(tmp_path: Path) -> None:
    found = finished(tmp_path / "store", hostile=False)
    page = parsed(write(tmp_path / "page", found))
    printed = (found.report.files / "report.txt").read_text()
    scores = rows(page.one("section", id="scores"))
    lines = [re.split(r"  +", line.strip()) for line in printed.splitlines()]
    assert scores[2][0] == "teacher accepted random weights"
    scores[2][0] = "teacher"
    assert len(scores) == 2 + 3 + 1 and all([cell for cell in row if cell] in lines for row in scores)
    report = json.loads((found.report.files / "report.json").read_text())
    cell = page.one("section", id="scores").all("td")[0]
    assert cell.attributes["title"] == "seed 0: 60.0, seed 1: 62.0"
    (difference,) = [row for row in rows(page.one("section", id="differences")) if row[0]]
    assert f"  {difference[0]}:  {difference[1]}   ({difference[2]})" in printed
    for cost in rows(page.one("section", id="cost")):
        assert [cell for cell in cost if cell] in lines
    seeds = rows(page.one("section", id="seeds"))
    assert seeds[0] == ["all", "seed 0", "seed 1", "mean"] and len(seeds) == 1 + 3 + 1 + 1
    assert [float(cell) for cell in seeds[1][1:3]] == [round(100 * value, 1) for value in report["networks"][0]["scores"]["all"]["values"]]
    for note in (*report["notes"], *report["flags"]):
        assert note in page.text


def test_hostile_text_stays_text_in_the_page(hostile: Path) -> None:
    page = parsed(hostile)
    scripts = page.all("script")
    assert [script.attributes.get("type") for script in scripts].count(None) == 1, "one script, and data"
    for text in HOSTILE:
        assert text in page.text
    assert page.all("img") == [] and page.all("b") == []
    names = {name for one in page.all("td") + page.all("bdi") + page.all("li") for name in one.attributes}
    assert not [name for name in names if name.startswith("on")]


def test_hostile_text_ends_no_script_and_begins_none(hostile: Path) -> None:
    for file in hostile.parent.rglob("*.js"):
        assert not re.search(r"[<>&\u2028\u2029]", file.read_text(encoding="ascii"))
    assert script_json({"</script>": "<!--\u2028&"}) == r'{"\u003c/script\u003e":"\u003c!--\u2028\u0026"}'
    assert element("p", "<b>", [element("i", "&")], None, title='"<') == '<p title="&quot;&lt;">&lt;b&gt;<i>&amp;</i></p>'
    assert escaped(element("b", "x")) == "<b>x</b>"


def test_nothing_is_loaded_from_elsewhere_and_only_this_script_runs(hostile: Path) -> None:
    page = parsed(hostile)
    for one in [found for tag in ("script", "img", "link", "iframe", "object") for found in page.all(tag)]:
        assert not one.attributes.keys() & {"src", "href", "data"}
    assert not re.search(r"url\(|@import", page.one("style").text)
    assert {link.attributes["href"][0] for link in page.all("a")} == {"#"}
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    (script,) = [one for one in page.all("script") if "type" not in one.attributes]
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}' 'self' file:" in policy and "default-src 'none'" in policy


def test_every_link_leads_somewhere_and_no_name_is_given_twice(hostile: Path) -> None:
    page = parsed(hostile)
    ids = re.findall(r' id="([^"]*)"', hostile.read_text())
    assert len(ids) == len(set(ids))
    links = {link.attributes["href"].removeprefix("#") for link in page.all("a")}
    assert links <= set(ids)
    assert {part.attributes["id"] for part in page.all("section")} <= links, "the page's own list of parts names all of them"


def test_every_result_has_its_key_settings_code_and_parents(tmp_path: Path) -> None:
    found = finished(tmp_path / "store")
    page = parsed(write(tmp_path / "page", found))
    for made in found.made.values():
        (card,) = page.all("details", id=f"made-{made.key[:16]}")
        facts = {fact.one("dt").text: fact.one("dd") for fact in card.one("dl").all("div")}
        assert facts["key"].text == made.key and facts["content"].text == made.object
        assert "name = " in facts["not the default"].text and "lr = 0.1" in facts["default"].text
        assert {link.attributes["href"] for link in card.all("a")} == {f"#made-{found.made[node].key[:16]}" for node in made.reads.values()}
        assert ("accepted" in facts) == (made.node == "extract.motion")
    origin = page.one("details", id="from-0")
    assert [link.text.split(" ")[0] for link in origin.all("a")] == ["evaluate.s0", "teacher.s0", "evaluate.s1", "teacher.s1"]


def test_the_ledger_says_which_items_are_not_ok_and_why(hostile: Path) -> None:
    ledger = parsed(hostile).one("section", id="ledger")
    assert ledger.one("summary").text == f"extract.motion: {len(HOSTILE)} undecodable, of {len(HOSTILE)}"
    assert [row[1] for row in rows(ledger)[1:]] == ["undecodable"] * len(HOSTILE)


def test_curves_carry_the_mean_the_interval_and_every_seed(tmp_path: Path) -> None:
    page = parsed(written(tmp_path, hostile=False))
    figures = page.one("section", id="curves").all("figure")
    titles = [figure.one("figcaption").text for figure in figures]
    assert titles == ["validation accuracy, %", "distillation", "train_ce"], "what the system names, then whatever else was recorded"
    told = json.loads(figures[0].one("script").text)
    line = told["lines"][0]
    assert line["x"] == [1, 2, 3], "the epochs that both seeds have"
    assert line["each"][0] == [30, 31] and line["y"][0] == pytest.approx(30.5)
    assert line["half"][0] == pytest.approx(12.7062 * 0.5, rel=1e-4)
    assert len(figures[0].all("path", class_="mean k0")) == 1 and len(figures[0].all("path", class_="one k0")) == 2


def test_scores_are_drawn_against_costs_and_differences_with_their_intervals(tmp_path: Path) -> None:
    rows = tuple(Row(name, name, {"all": Score(0.5)}, series=series, costs={"flops": n}) for n, (name, series) in enumerate(SIZES, 1))
    cost = (Cost("flops", axis="MFLOPs"),)
    page = parsed(written(tmp_path, hostile=False, items=0, networks=rows, costs=cost, pairs=(("big", "teacher"),), sorts=(), panels=()))
    figure = page.one("section", id="curves").all("figure")[0]
    assert [item.text.strip() for item in figure.all("li")] == ["alone", "distilled"]
    told = json.loads(figure.one("script").text)
    assert [line["x"] for line in told["lines"]] == [[1, 2], [3]] and told["x"] == "MFLOPs"
    forest = page.one("svg", class_="forest")
    assert forest.one("title").text == "big − teacher: +0.0 ± 0.0" and len(forest.all("circle", class_="dot")) == 2


def test_a_long_ledger_is_cut_and_says_where_the_rest_is(tmp_path: Path) -> None:
    found = finished(tmp_path / "store", items=0)
    ledger = Ledger()
    for item in range(1000):
        ledger.add(f"v{item:04}", "ok" if item < 100 else "padded", "too short")
    (found.made["extract.motion"].files / "ledger.jsonl").write_text(ledger.dump())
    part = parsed(write(tmp_path / "page", found)).one("section", id="ledger")
    assert part.one("summary").text == "extract.motion: 900 padded, of 1,000"
    assert len(rows(part)) == 1 + 200 and rows(part)[1] == ["v0100", "padded", "too short"]
    assert "and 700 more: kdpipe show extract.motion --ledger" in part.text


def test_an_evaluation_without_items_or_curves_gives_a_page_without_them(tmp_path: Path) -> None:
    index = written(tmp_path, items=0, panels=(), seeds=(3,))
    page = parsed(index)
    assert "keeps no answers by item" in page.one("section", id="examples").text
    assert page.all("section", id="confusion") == [] and page.all("section", id="seeds") == []
    assert sorted(path.name for path in index.parent.iterdir()) == ["index.html"]


def test_the_columns_hold_what_was_predicted(tmp_path: Path) -> None:
    items = PAGE + 10
    index = written(tmp_path, items=items)
    columns, of = data(index, "items"), [data(index, f"seed_{place}") for place in (0, 1)]
    assert columns["kinds"] == list(KINDS) and columns["seeds"] == [0, 1] and columns["networks"] == list(LABELS)
    for place, seed in enumerate((0, 1)):
        for number, one in enumerate(predictions(seed, items)):
            network, row = divmod(number, items)
            answer = of[place]["said"][network][row]
            assert columns["words"][columns["answer"][row]] == one.answer
            assert (answer == -1) if one.prediction is None else (columns["words"][answer] == one.prediction)
            assert of[place]["right"][network][row] == one.is_right
            page = data(index, f"page_{row // PAGE}") if row % PAGE in (0, 9) else None
            if page:
                best = page["best"][place * len(LABELS) + network][row % PAGE]
                told = list(zip((columns["words"][word] for word in best[::2]), (chance / 10_000 for chance in best[1::2])))
                assert told == list(one.top) and page["id"][row % PAGE] == one.item
                assert page["about"][row % PAGE] == {"question": " ".join(one.about["question"]), "video_id": str(one.about["video_id"])}
    assert sorted(path.name for path in (index.parent / "data").iterdir()) == [
        "items.js",
        "page_0.js",
        "page_1.js",
        "seed_0.js",
        "seed_1.js",
    ]


def test_items_of_several_folds_are_told_apart(tmp_path: Path) -> None:
    from models.evaluation.files import Prediction, write_evaluation

    found = []
    for fold in ("1", "2"):
        made = evaluation(0, 0, fold=fold)
        out = tmp_path / fold
        out.mkdir()
        write_evaluation(
            out, made, predictions=[Prediction("teacher", "v", f"class {fold}", "class 1", top=[(str(n), 0.1) for n in range(9)])]
        )
        found.append((made, out))
    asked = gather(found)
    assert asked.ids == ["v", "v"] and [asked.folds.texts[fold] for fold in asked.fold] == ["1", "2"]
    assert asked.right[0, "teacher"].tolist() == [1, 0] and asked.said[0, "student.kd"].tolist() == [-2, -2]
    assert len(asked.best[0, "teacher"]) == 2 * 2 * TOP


def test_a_page_is_written_over_and_other_files_never_are(tmp_path: Path) -> None:
    found = finished(tmp_path / "store")
    folder = tmp_path / "page"
    first = {path.relative_to(folder): path.read_bytes() for path in write(folder, found).parent.rglob("*") if path.is_file()}
    (folder / "data" / "page_9.js").write_text("old")
    write(folder, found)
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first, (
        "equal bytes, nothing old"
    )
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(KdpipeError, match="holds other files"):
        write(other, found)
    (other / "index.html").write_text("<p>my own page")
    with pytest.raises(KdpipeError, match="holds other files"):
        write(other, found)
    with pytest.raises(KdpipeError, match="is no folder"):
        write(other / "thesis.tex", found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "page", "store"]


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [-3.2, 7.7], [1e-9, 2e-9], [0.0, 1e6], [99.7, 99.9]])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_ticks_are_few_round_and_within(values: list[float], logarithmic: bool) -> None:
    axis = Axis.over(values, logarithmic=logarithmic)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 9
    assert all(-1e-6 <= axis.place(tick) <= 1 + 1e-6 for tick in ticks) and ticks == sorted(set(ticks))
    assert all(0 <= axis.place(value) <= 1 for value in (*values, 1e9, -1e9))


def test_networks_that_stand_for_two_have_no_training_of_their_own(tmp_path: Path) -> None:
    found = finished(tmp_path / "store", items=0)
    both = (*evaluations_of(found)[0].networks, Row("both", "teacher + flow", {"all": Score(0.5)}))
    found = finished(tmp_path / "again", items=0, networks=both)
    page = parsed(write(tmp_path / "page", found))
    assert [link.text.split(" ")[0] for link in page.one("details", id="from-3").all("a")] == ["evaluate.s0", "evaluate.s1"]


def test_writing_a_page_imports_nothing_heavy() -> None:
    heavy = ("torch", "matplotlib", "av", "h5py")
    code = f"import sys, stages.report.html.write, pipeline.behind; print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=os.environ, capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
