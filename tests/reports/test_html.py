from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from aaetools.analysis.classification import classify
from aaetools.analysis.results import Analysis, ClusterProfile, FeatureEffect, Interval, Separation
from aaetools.analysis.scores import Predictions
from aaetools.reports import render
from aaetools.reports.blocks import Chapter, Note, Row, Stack, Table
from aaetools.reports.chapters import CHAPTERS
from aaetools.reports.summary import answers

Pages = Callable[[str], str]
VARIANTS = [
    "digits",
    "no labels",
    "three string classes",
    pytest.param("fifty classes", marks=pytest.mark.slow),
    "one latent dimension",
    "no baselines, no UMAP",
    "comparison",
    pytest.param("hostile", marks=pytest.mark.slow),
    pytest.param("hostile comparison", marks=pytest.mark.slow),
]
VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that do not close in order."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.comments: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] not in (["script"], ["style"]):
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(params=VARIANTS)
def page(request: pytest.FixtureRequest, page_of: Pages) -> Page:
    return Page(page_of(request.param))


def test_page_is_inert_and_loads_nothing(page: Page) -> None:
    allowed = {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "a",
        "div",
        "nav",
        "p",
        "ol",
        "ul",
        "li",
        "main",
    }
    allowed |= {
        "header",
        "h1",
        "h2",
        "h3",
        "bdi",
        "section",
        "span",
        "b",
        "details",
        "summary",
        "figure",
        "img",
    }
    allowed |= {"code", "figcaption", "table", "caption", "thead", "tbody", "tr", "th", "td", "footer"}
    # the explorer's
    allowed |= {"script", "button", "select", "option", "input", "label", "form", "canvas", "dl", "dt", "dd"}
    assert {tag for tag, _ in page.tags} <= allowed
    assert page.comments == []
    kinds = [(script.get("type"), script.get("class"), script.get("id")) for script in page.all("script")]
    data = ("application/json", None, "explorer-data")
    explored = any(section["id"] == "explorer" for section in page.all("section"))
    assert kinds == ([data, ("text/plain", "library", None), (None, None, None)] if explored else [])
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name in {"style", "srcset", "action"} for name in attributes)
    assert all(image["src"].startswith("data:image/svg+xml,") for image in page.all("img"))
    assert all(link["href"].startswith("#") for link in page.all("a"))


def policy_of(source: str) -> dict[str, list[str]]:
    """Return what a page's content policy allows, by directive."""
    policy = next(meta["content"] for meta in Page(source).all("meta") if "http-equiv" in meta)
    return {words[0]: words[1:] for words in map(str.split, policy.split(";"))}


def digest(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def test_content_policy_allows_what_is_in_the_page_by_its_hash_and_nothing_else(page_of: Pages) -> None:
    source = page_of("digits")
    styles = re.findall(r"<style>(.*?)</style>", source, flags=re.DOTALL)
    scripts = re.findall(r"<script>(.*?)</script>", source, flags=re.DOTALL)
    packed = re.findall(r'<script type="text/plain" class="library">(.*?)</script>', source)
    assert (len(styles), len(scripts), len(packed)) == (2, 1, 1)
    library = gzip.decompress(base64.b64decode(packed[0])).decode()
    assert policy_of(source) == {
        "default-src": ["'none'"],
        "img-src": ["data:"],
        "style-src": [digest(style) for style in styles],
        "script-src": [digest(scripts[0]), digest(library)],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    # The policy must come before what it governs.
    assert source.index("Content-Security-Policy") < source.index("<style>")


@pytest.mark.slow
def test_without_the_explorer_no_script_is_in_the_page_or_allowed(make_analysis: Callable[..., Analysis]) -> None:
    analysis = make_analysis(classes=("a", "b"), n_rows=120, images=False)
    source = render(analysis, explorer=False)
    page = Page(source)
    assert page.all("script") == []
    assert "runs no script" in page.words
    assert "script-src" not in policy_of(source)
    assert len(source) < len(render(analysis)) - 450_000


def test_structure_serves_readers_who_cannot_see_the_page(page: Page) -> None:
    assert page.all("html") == [{"lang": "en"}]
    assert all(len(image["alt"]) > 20 and image["width"] and image["height"] for image in page.all("img"))
    assert len(page.all("img")) == len(page.all("figcaption"))
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(head.get("scope") in {"row", "col"} for head in page.all("th"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)
    assert {attributes["aria-labelledby"] for attributes in page.all("section")} <= set(ids)


def test_every_figure_says_how_to_read_it(page: Page) -> None:
    assert page.words.count("How to read this:") == len(page.all("img"))


@pytest.mark.parametrize(("variant", "kilobytes"), [("digits", 1900), ("three string classes", 1500)])
def test_size_stays_small(page_of: Pages, variant: str, kilobytes: int) -> None:
    assert len(page_of(variant).encode()) <= kilobytes * 1000


@pytest.mark.slow
def test_size_stays_small_for_many_rows_and_says_what_is_left_out(
    make_analysis: Callable[..., Analysis],
) -> None:
    assert len(render(make_analysis(n_rows=10_000)).encode()) <= 2_200_000
    source = render(make_analysis(n_rows=50_000, images=False))
    assert len(source.encode()) <= 2_850_000
    assert "of 50,000 rows, the same share of each group" in source


def test_same_analysis_same_bytes(page_of: Pages, make_analysis: Callable[..., Analysis]) -> None:
    assert render(make_analysis()) == page_of("digits")


@pytest.mark.slow
def test_order_of_bytes_does_not_depend_on_hash_seed_or_settings() -> None:
    code = (
        "import hashlib, runpy, sys\n"
        "import matplotlib; matplotlib.rcParams['font.size'] = float(sys.argv[2])\n"
        "from aaetools.reports import render\n"
        "build = runpy.run_path(sys.argv[1])['build_analysis']\n"
        "page = render(build(classes=('a', 'b'), n_rows=120, images=False))\n"
        "print(hashlib.sha256(page.encode()).hexdigest())\n"
    )
    conftest = __file__.replace("test_html.py", "conftest.py")
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, conftest, size],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed, size in (("1", "10"), ("2", "20"))
    }
    assert len(digests) == 1


def test_digits_page_answers_each_question_with_its_rule(page_of: Pages) -> None:
    page = Page(page_of("digits"))
    words = page.words
    for question in (
        "How good is it?",
        "How sure is that?",
        "Better than simpler methods?",
        "Did the labels help?",
        "Was the prior met?",
        "Which clusters are there?",
        "What to do next",
    ):
        assert question in words
    assert words.count("Rule for:") == 6
    assert "95.1%" in words
    assert "92.7% to 96.7%" in words
    assert "2.0 points better" in words
    assert "Labels were given for 100 rows" in words
    assert "449 more rows were held out" in words


def test_digits_page_has_every_chapter_in_order(page_of: Pages) -> None:
    page = Page(page_of("digits"))
    sections = [section["id"] for section in page.all("section")]
    assert sections == ["summary", *CHAPTERS]
    assert len(page.all("img")) == 18
    for words in ("LabelSpreading", "aaetools fit --labels partial", "5f3c" * 16, "scikit-learn", "MMD"):
        assert words in page.words


def test_the_latent_space_is_shown_as_far_as_it_is_known(make_analysis: Any) -> None:
    analysis = make_analysis(images=False, classes=("a", "b"), n_rows=60)
    chapter = CHAPTERS["space"](analysis)
    assert chapter is not None
    assert chapter.verdict == analysis.latent_space.verdict
    *_, heat_map = chapter.blocks
    assert "Heat map of 12 features" in heat_map.alt
    assert "The 12 features that differ most are shown." in heat_map.how
    old = dataclasses.replace(analysis, latent_space=None)
    shown = CHAPTERS["space"](old)
    assert shown is not None
    assert len(shown.blocks) == 1
    bare = dataclasses.replace(old, tables=dataclasses.replace(old.tables, profiles=None))
    assert CHAPTERS["space"](bare) is None


def test_doubtful_labels_rows_to_label_and_shares_are_listed(page_of: Pages, make_analysis: Any) -> None:
    page = Page(page_of("digits"))
    analysis = make_analysis()
    ids = analysis.tables.rows["row"]
    for words in (
        "About 1 of 100 labels is expected to be wrong.",
        f"{ids.iloc[7]} 0 9 1.0% yes",
        f"{ids.iloc[11]} 9 the labels nearby waver between 0 and 9",
        "Estimated shares of the classes",
    ):
        assert words in page.words


def test_without_labels_nothing_is_claimed_about_classes(page_of: Pages) -> None:
    page = Page(page_of("no labels"))
    sections = [section["id"] for section in page.all("section")]
    assert "accuracy" not in sections
    assert "images" not in sections
    assert "Not measured" in page.words
    assert "without any label" in page.words
    assert not any("given label" in image["alt"] for image in page.all("img"))


def test_scores_of_probabilities_stand_in_one_table(make_analysis: Callable[..., Analysis]) -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(3, size=200)
    proba = 0.6 * np.eye(3)[true] + 0.4 * rng.dirichlet([1, 1, 1], size=200)
    found, _ = classify(
        true,
        proba.argmax(axis=1),
        [0, 1, 2],
        proba=proba,
        probes={"svm": Predictions(true)},
        baselines={"knn": Predictions(1 - np.minimum(true, 1), proba=np.roll(proba, 1, axis=1))},
        random_state=5,
    )
    analysis = dataclasses.replace(make_analysis(classes=("0", "1", "2"), images=False), classification=found)
    chapter = CHAPTERS["accuracy"](analysis)
    assert chapter is not None
    table = next(b for b in chapter.blocks if isinstance(b, Table) and b.caption == "Predictions and probabilities")
    model, probe, baseline = table.rows
    names = ("Adversarial autoencoder", "svm of the latent codes", "k-NN of the features")
    assert (model[0], probe[0], baseline[0]) == names
    assert probe[2:] == ("\N{EN DASH}",) * 3
    scores = found.model.scores
    assert scores is not None
    assert scores.log_loss is not None
    assert model[2].startswith(f"{scores.log_loss.value:.2f}"[:4])
    assert "[" in model[2]
    assert "(seed 5)" in Page(render(analysis)).words


def test_skipped_umap_is_explained_and_clusters_fall_back_to_the_latent_map(page_of: Pages) -> None:
    page = Page(page_of("no baselines, no UMAP"))
    assert "There is no UMAP picture: fewer than 30 rows" in page.words
    assert any(image["alt"].startswith("Latent codes of 200 rows, coloured by") for image in page.all("img"))
    assert "No baseline was run." in page.words


@pytest.mark.slow
def test_hostile_strings_are_shown_as_text(page_of: Pages) -> None:
    source = page_of("hostile")
    source.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", source)
    page = Page(source)
    assert not any(attributes.get("id") == "injected" for _, attributes in page.tags)
    for shown in (
        "</script><script>alert(1)</script>",
        "{{7*7}}",
        '" onerror="alert(2)',
        "&lt;b&gt; &amp;",
        "<!--",
    ):
        assert shown in page.words
    assert "x" * 700 not in source
    assert "漢字" in page.words


@pytest.mark.slow
def test_alarms_are_listed_and_judged_bad(make_analysis: Callable[..., Analysis]) -> None:
    page = Page(render(make_analysis(warnings=("The axis z1 is dead.",), n_rows=200, images=False)))
    assert "Alarm The axis z1 is dead." in page.words


def answer(analysis: Analysis, question: str) -> Any:
    return next(answer for answer in answers(analysis) if answer.question == question)


def test_verdicts_follow_their_rules(make_analysis: Callable[..., Analysis]) -> None:
    analysis = make_analysis(images=False)
    found = analysis.classification
    assert found is not None

    def with_p(p: float | None) -> Analysis:
        return dataclasses.replace(analysis, classification=dataclasses.replace(found, p_value_best_baseline=p))

    question = "Better than simpler methods?"
    assert answer(with_p(0.01), question).tone == "good"
    assert answer(with_p(0.2), question).tone == "mixed"
    assert "may be chance" in answer(with_p(0.2), question).sentence
    worse = dataclasses.replace(found, model=dataclasses.replace(found.model, accuracy=found.baselines[3].accuracy))
    worse = dataclasses.replace(worse, p_value_best_baseline=0.001)
    assert answer(dataclasses.replace(analysis, classification=worse), question).tone == "bad"

    match = analysis.prior_match
    overall = tuple(result for result in match.results if result.scope == "overall")
    met = dataclasses.replace(analysis, prior_match=dataclasses.replace(match, results=overall))
    assert answer(met, "Was the prior met?").tone == "good"
    missed = (*overall, dataclasses.replace(overall[0], scope="3", verdict="not met"))
    partly = dataclasses.replace(analysis, prior_match=dataclasses.replace(match, results=missed))
    assert answer(partly, "Was the prior met?").tone == "mixed"
    assert answer(partly, "Was the prior met?").value == "Met overall"
    near = (*overall, dataclasses.replace(overall[0], scope="3", verdict="close"))
    nearly = dataclasses.replace(analysis, prior_match=dataclasses.replace(match, results=near))
    assert answer(nearly, "Was the prior met?").tone == "mixed"
    none = dataclasses.replace(analysis, prior_match=dataclasses.replace(match, results=()))
    assert answer(none, "Was the prior met?").tone == "none"


def test_health_table_raises_each_alarm(make_analysis: Callable[..., Analysis]) -> None:
    analysis = make_analysis(classes=("a", "b"), n_rows=100, images=False)
    sick = dataclasses.replace(
        analysis,
        model=dataclasses.replace(
            analysis.model,
            discriminator_accuracy=0.99,
            reconstruction_r2=-0.1,
            reconstruction_r2_low=-0.2,
            dead_axes=(1,),
        ),
        clustering=dataclasses.replace(analysis.clustering, sizes=(99, 1)),
    )

    def results(chapter: Chapter | None) -> list[str]:
        assert chapter is not None
        health = next(block for block in chapter.blocks if getattr(block, "caption", "") == "Health checks")
        return [line[-1] for line in health.rows]  # type: ignore[union-attr]

    assert results(CHAPTERS["training"](analysis)) == ["fine"] * 4
    assert results(CHAPTERS["training"](sick)) == ["alarm"] * 4


def test_clusters_are_told_with_their_measures_and_what_sets_them_apart(
    make_analysis: Callable[..., Analysis],
) -> None:
    analysis = make_analysis(classes=("a", "b"), n_rows=100, images=False)
    effects = tuple(
        FeatureEffect(name, Interval(value, value - 0.1, value + 0.1, 100), 1.0, 2.0)
        for name, value in (("<b>width", -1.23), ("depth", 0.9), ("weight", 0.05))
    )
    profile = ClusterProfile(0, 50, 0.5, "a", None, (3,), (4,), effects)
    bare = CHAPTERS["clusters"](analysis)
    told = CHAPTERS["clusters"](
        dataclasses.replace(
            analysis,
            clustering=dataclasses.replace(
                analysis.clustering,
                profiles=(profile,),
                n=100,
                n_noise=7,
                separation=Separation(Interval(0.6, 0.5, 0.7, 93), None, None, Interval(0.9, 0.8, 1.0, 100), 10),
                notes=("The silhouette is of 93 rows.",),
            ),
        )
    )
    assert bare is not None
    assert told is not None
    tables = {table.caption: table for table in tables_of(told)}
    assert "set apart by (standard deviations)" not in {t.caption: t for t in tables_of(bare)}["Each cluster"].columns
    assert tables["Each cluster"].rows[0][-1] == f"<b>width {chr(0x2212)}1.2, depth +0.90"
    measures = {row[0]: row[1:] for row in tables["How good the clusters are"].rows}
    assert measures["Silhouette (1: well apart, 0: touching)"] == ("0.600", "0.500 to 0.700", "93")
    assert "Davies-Bouldin index (lower is better)" not in measures
    assert ("Rows in no cluster (noise)", "7 (7.0%)") in tables["How the clusters were found"].rows
    assert Note("The silhouette is of 93 rows.") in list(parts(told.blocks))


def parts(blocks: Iterable[Any]) -> Iterator[Any]:
    for block in blocks:
        yield from parts(block.blocks) if isinstance(block, Row | Stack) else (block,)


def tables_of(chapter: Chapter) -> list[Table]:
    return [block for block in parts(chapter.blocks) if isinstance(block, Table)]


def test_an_analysis_with_holes_still_gives_a_page(make_analysis: Callable[..., Analysis]) -> None:
    analysis = make_analysis(classes=("a", "b"), n_rows=60, images=False, umap=False)
    rows = analysis.tables.rows.assign(label_pred=None, label_true=None, confidence=np.nan, cluster=-1)
    tables = dataclasses.replace(
        analysis.tables,
        rows=rows,
        history=analysis.tables.history.iloc[:1],
        prior_samples=analysis.tables.prior_samples.iloc[:0],
    )
    bare = dataclasses.replace(
        analysis,
        tables=tables,
        latent_map=dataclasses.replace(analysis.latent_map, umap=None),
        clustering=dataclasses.replace(analysis.clustering, n_clusters=0, sizes=(), silhouette=None, agreement=None),
        prior_match=dataclasses.replace(analysis.prior_match, results=()),
        data=dataclasses.replace(analysis.data, n_holdout=0, source="", sha256="", feature_names=()),
        model=dataclasses.replace(analysis.model, fit_seconds=float("nan"), parameters={}, prior_parameters={}),
        provenance=dataclasses.replace(analysis.provenance, versions={}, command=""),
    )
    page = Page(render(bare))
    assert "nan" not in page.words.split()
    assert "Alarm" not in page.words
    assert "epochs (on cpu)" in page.words


def test_importing_the_package_does_not_load_matplotlib() -> None:
    heavy = "{'matplotlib', 'seaborn', 'torch', 'jinja2'}"
    code = f"import sys, aaetools.reports; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
