"""Card and report: what people read about a model."""

import base64
import dataclasses
import datetime as dt
import re
import xml.etree.ElementTree as ET
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import binomtest  # type: ignore[attr-defined]

from model.artifact.manifest import SplitPlan
from model.artifact.reference import TOO_LITTLE_KNOWN
from model.artifact.store import ArtifactError, read_manifest, save
from model.evaluation.shares import wilson
from model.reports.card import Card, card, markdown
from model.reports.documents import documents, read_evaluation
from model.reports.figures import Scored, roc, svg
from model.reports.report import html
from model.reports.table import number
from model.scoring.load import load
from model.thresholds import Top
from model.training.train import Trained, package, train, write
from tests.model.examples import AUTO, dataset

pytestmark = pytest.mark.slow

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
DATA = dataset()
PLAN = SplitPlan(kind="random")
ALGORITHMS = ("gradient_boosting", "logistic_regression")


@cache
def family() -> list[Trained]:
    """The model that the documents are about comes first."""
    return [train(DATA, algorithm, PLAN, policy=Top(0.1)) for algorithm in ALGORITHMS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "m"
    trained = family()[0]
    contents, manifest = package(trained, created_at=NOW)
    save(path, contents, manifest, documents(manifest, trained, family(), DATA))
    return path


class Page(HTMLParser):
    """Headings, pictures and anything that would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.pictures: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        given = dict(attrs)
        source = given.get("src") or given.get("href") or ""
        prefix = "data:image/svg+xml;base64,"
        if source.startswith(prefix):
            self.pictures[given["alt"] or ""] = base64.b64decode(source.removeprefix(prefix))
        elif source or tag in {"script", "link", "iframe"}:
            self.fetched.append(f"{tag} {source}")

    def handle_data(self, data: str) -> None:
        if self._inside in {"h1", "h2"} and data.strip():
            self.headings.append(data)


def test_the_report_is_one_file_with_its_pictures(folder: Path) -> None:
    page = Page()
    page.feed((folder / "report.html").read_text())
    assert page.fetched == []
    assert "url(" not in (folder / "report.html").read_text()
    assert page.pictures.keys() == {
        "ROC",
        "Precision and recall",
        "Calibration",
        "Scores",
        "Gain",
        "Lift",
        "At the threshold",
        "Cost",
        "Months",
    }
    for name, picture in page.pictures.items():
        root = ET.fromstring(picture)
        assert root.tag.endswith("svg"), name
        assert len(picture) > 3000, name
    assert {"Families side by side", "Groups", "Segments"} <= {*page.headings}


def test_the_report_tells_the_figures_of_every_family(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    for trained in family():
        assert number(trained.report.roc_auc) in text
        assert text.count(f"<th>{trained.algorithm}</th>") == 1
    interval = read_evaluation(folder).intervals["average_precision"]
    assert f"{interval.low:.4f} to {interval.high:.4f}" in text


def test_they_say_of_how_many_claims_too_little_is_known(folder: Path) -> None:
    scorer = load(folder)
    rows = family()[0].test_rows.tolist()
    flags = scorer.assess([DATA.claims[i] for i in rows]).data_quality
    share = sum(TOO_LITTLE_KNOWN in own for own in flags) / len(rows)
    assert read_evaluation(folder).too_little_known == share
    assert f"Of {share:.2%} of these claims too little is known" in (folder / "card.md").read_text()
    assert "share of claims of which too little is known" in (folder / "report.html").read_text()


def test_the_report_says_in_words_what_matters_most(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    report = family()[0].report
    assert f"contain {report.recall_at_10pct:.0%} of the frauds" in text
    assert f"{report.precision:.0%} of the referrals are frauds" in text


def test_the_same_evaluation_gives_the_same_report(folder: Path) -> None:
    trained, manifest = family()[0], read_manifest(folder)
    scored = Scored("m", DATA.labels[trained.test_rows], trained.test_scores)
    first, second = (html(manifest, read_evaluation(folder), scored) for _ in range(2))
    assert first == second
    assert "Families side by side" not in first


def test_text_of_the_claims_cannot_become_markup(folder: Path) -> None:
    manifest = msgspec.structs.replace(read_manifest(folder), name="<script>alert(1)</script>")
    trained = family()[0]
    scored = Scored("<b>", DATA.labels[trained.test_rows], trained.test_scores)
    others = [(trained.report, scored)]
    text = html(manifest, read_evaluation(folder), scored, others=others)
    assert "<script" not in text
    assert "<b>" not in re.sub(r"<figcaption><b>", "", text)


def test_a_report_without_frauds_is_drawn_too(folder: Path) -> None:
    from model.evaluation.details import details

    trained = family()[0]
    tested = DATA.part(trained.test_rows)
    honest = tested.labels * 0
    found = details(dataclasses.replace(tested, labels=honest), trained.test_scores, 0.5)
    page = Page()
    page.feed(html(read_manifest(folder), found, Scored("m", honest, trained.test_scores)))
    assert "ROC" not in page.pictures
    assert "Calibration" in page.pictures


def test_the_card_says_what_the_model_is(folder: Path) -> None:
    found = msgspec.json.decode((folder / "card.json").read_bytes(), type=Card)
    assert found.approver is None
    assert found.trained_on.sha256 == DATA.digest
    assert found.features == read_manifest(folder).features
    assert "policyholder_sex" in found.excluded["protected"]
    assert "claim_id" in found.excluded["identifier"]
    assert not set(found.features) & {n for names in found.excluded.values() for n in names}
    assert found.evaluation == read_evaluation(folder)


def test_the_card_reads_well(folder: Path) -> None:
    text = (folder / "card.md").read_text()
    report = family()[0].report
    for part in (
        "# Model card: gradient_boosting 20260102.030405",
        "Approved by: (nobody yet)",
        "## Intended use",
        "## Not intended for",
        f"| roc_auc | {number(report.roc_auc)} |",
        "top 0.1 of claims",
        "used by the model: none",
        "| policyholder_sex | f",
        "## Limits",
        "auto 1, auto",
    ):
        assert part in text
    named = card(read_manifest(folder), AUTO, read_evaluation(folder), approver="A. Reviewer")
    assert "Approved by: A. Reviewer" in markdown(named)


def test_a_protected_feature_is_admitted(folder: Path) -> None:
    manifest = read_manifest(folder)
    using = msgspec.structs.replace(manifest, features=(*manifest.features, "policyholder_sex"))
    assert "used by the model: policyholder_sex" in markdown(
        card(using, AUTO, read_evaluation(folder))
    )
    trained = family()[0]
    scored = Scored("m", DATA.labels[trained.test_rows], trained.test_scores)
    assert "the model uses policyholder_sex" in html(using, read_evaluation(folder), scored)


def test_an_artifact_without_an_evaluation_is_told(tmp_path: Path) -> None:
    write(family()[0], tmp_path / "m", created_at=NOW)
    with pytest.raises(ArtifactError, match=r"evaluation\.json"):
        read_evaluation(tmp_path / "m")


def test_intervals_of_shares_are_wilsons() -> None:
    low, high = wilson(np.array([0.0, 0.5, 1.0]), np.array([10, 20, 5]))
    expected = [
        binomtest(k, n).proportion_ci(method="wilson") for k, n in ((0, 10), (10, 20), (5, 5))
    ]
    assert low == pytest.approx([e.low for e in expected], abs=1e-4)
    assert high == pytest.approx([e.high for e in expected], abs=1e-4)


HOSTILE = (
    "a | b",
    "<script>alert(1)</script>",
    "[click](http://example.com)",
    "# head\n\n## second",
    "*bold* `code` &lt;",
    "_under_ score_d",
    "\x1b[31mred\x00\u202e",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_cannot_become_markdown(folder: Path, text: str) -> None:
    manifest = read_manifest(folder)
    data = msgspec.structs.replace(manifest.trained_on, name=text)
    changed = msgspec.structs.replace(manifest, name=text, version=text, trained_on=data)
    group = msgspec.structs.replace(read_evaluation(folder).groups[0], group=text)
    found = msgspec.structs.replace(read_evaluation(folder), groups=(group,))
    before = markdown(card(manifest, AUTO, found, "A. Reviewer")).splitlines()
    after = markdown(card(changed, AUTO, found, text)).splitlines()
    assert len(after) == len(before)
    own = [new for old, new in zip(before, after, strict=True) if old != new]
    own += [line for line in after if line.startswith(f"| {group.field} ")]
    assert len(own) == 4  # heading, approver, data, and the group's row
    for line in own:
        bare = re.sub(r"\\.", "", line.removeprefix("# "))
        assert line.isprintable()
        assert not set("<>[]*&") & set(bare.replace(" *", ""))
        assert "`" not in re.sub(r"`[0-9a-f]{64}`", "", bare)
    rows = [re.sub(r"\\.", "", line).count("|") for line in after if line.startswith("| ")]
    assert len(set(rows[-2:])) == 1  # head of the groups and the group


def test_names_of_fields_stay_readable(folder: Path) -> None:
    text = markdown(card(read_manifest(folder), AUTO, read_evaluation(folder)))
    assert "policyholder_sex" in text
    assert "gradient_boosting" in text.splitlines()[0]


@pytest.mark.parametrize(
    "name", ["$x^{2$", "$\\frac{$", "_hidden", "x" * 300, "a\x00b\x1b", "--><b>"]
)
def test_any_name_of_a_model_can_be_drawn(name: str) -> None:
    trained = family()[0]
    scored = Scored(name, DATA.labels[trained.test_rows], trained.test_scores)
    assert ET.fromstring(svg(roc([scored, scored]))).tag.endswith("svg")


def test_a_name_with_an_underscore_in_front_is_in_the_legend() -> None:
    scored = Scored("_v1", np.array([0, 1]), np.array([0.1, 0.9]))
    figure = Figure()
    roc([scored])(figure.subplots())
    (axes,) = figure.axes
    assert " _v1" in axes.get_legend_handles_labels()[1]
