"""Every link of every document leads somewhere, and the README is what one reads in one go."""

import re
from pathlib import Path

import pytest

from tests.harness.process import ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LONGEST_README = 120
LARGEST_PICTURE = 300_000
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def anchors(document: Path) -> set[str]:
    """Names under which GitHub links to the headings of a document."""
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in plain}


def links(document: Path) -> list[str]:
    """Targets of the links to files of this project."""
    found = LINK.findall(FENCE.sub("", document.read_text(encoding="utf-8")))
    return [target for target in found if "://" not in target]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in links(document):
        name, _, anchor = target.partition("#")
        file = document.parent / name if name else document
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_document_has_a_title_and_says_something(document: Path) -> None:
    title, *rest = document.read_text(encoding="utf-8").strip().splitlines()
    assert title.startswith("# ")
    assert any(line and not line.startswith("#") for line in rest)


def test_every_document_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
    assert set((ROOT / "docs").glob("*.md")) - listed == {index}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= LONGEST_README
    assert len(links(ROOT / "README.md")) >= 12


def test_pictures_are_small_and_shown() -> None:
    shown = {
        (document.parent / target).resolve()
        for document in DOCUMENTS
        for target in links(document)
        if "pictures/" in target
    }
    pictures = {path for path in (ROOT / "docs" / "pictures").iterdir() if path.is_file()}
    assert pictures == {path for path in shown if path.is_file()}
    assert all(path.stat().st_size < LARGEST_PICTURE for path in pictures)
    drawn = [path.read_text(encoding="utf-8") for path in pictures if path.suffix == ".svg"]
    assert drawn
    assert not [text for text in drawn if re.search(r"(?:src|href|url)\W+https?:", text)]
