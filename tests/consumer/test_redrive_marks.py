"""Which records a redrive is believed to have written."""

from collections.abc import Callable

import pytest

from consumer.kafka.receipts import Receipt
from consumer.redrive.marks import Marks
from schemas.alert import Source
from schemas.dead_letter import REDRIVEN_HEADER
from tests.harness.kafka import FakeMessage

LETTER = Source("dead-letters", 3, 42)
PLACE = ("dead-letters", 3), 42


def marked(value: str | bytes | None, content: bytes | None = b"claim") -> FakeMessage:
    return FakeMessage(content, headers=[("own", b"1"), (REDRIVEN_HEADER, value)])


def receipt(key: str) -> str:
    return Receipt(1, 0, 2, "fraud-scorer-redrive/redrive", key).text()


@pytest.fixture
def marks() -> Marks:
    made = Marks()
    made.learn([receipt("00112233445566778899aabbccddeeff")])
    return made


def value(marks: Marks, letter: Source = LETTER) -> str:
    name, found = marks.header(letter, b"key", b"claim")
    assert name == REDRIVEN_HEADER
    assert isinstance(found, str)
    return found


def test_the_next_redrive_recognises_what_this_one_wrote(marks: Marks) -> None:
    later = Marks()
    later.learn(["something else", None, receipt(marks.key)])
    assert later.key == marks.key
    assert later.origin(marked(value(marks))) == PLACE
    assert later.origin(marked(value(marks).encode())) == PLACE


def test_a_new_key_for_each_group_that_has_none() -> None:
    first, second = Marks(), Marks()
    first.learn([None])
    assert first.origin(marked(value(second))) is None
    assert first.key != second.key
    assert len(first.key) == 32


FORGED: list[Callable[[str], str | bytes | None]] = [
    lambda real: real.rpartition("-")[0],
    lambda real: real[:-1] + ("0" if real[-1] != "0" else "1"),
    lambda real: real.replace("-42-", "-43-"),
    lambda real: real.replace("-3-", "-4-"),
    lambda real: real.replace("dead-letters", "dead"),
    lambda real: real + "00",
    lambda real: "-".join(real.split("-")[:-1]) + "-",
    lambda _: "dead-letters-3-42-" + "0" * 32,
    lambda _: b"\xff-3-42-00",
    lambda _: "dead-letters-3-42-\u00e9",
    lambda _: "",
    lambda _: None,
]


@pytest.mark.parametrize("forge", FORGED)
def test_what_others_wrote_is_no_evidence(
    marks: Marks, forge: Callable[[str], str | bytes | None]
) -> None:
    assert marks.origin(marked(forge(value(marks)))) is None


@pytest.mark.parametrize("content", [b"claim2", b"", None])
def test_a_mark_is_of_what_it_was_written_on(marks: Marks, content: bytes | None) -> None:
    """As if someone copied it from a redrive whose transaction was aborted."""
    assert marks.origin(marked(value(marks), content)) is None


def test_key_and_value_are_told_apart(marks: Marks) -> None:
    headers = {
        marks.header(LETTER, k, v)
        for k, v in [
            (b"ab", b"c"),
            (b"a", b"bc"),
            (None, b""),
            (b"", None),
            (b"", b""),
            (None, None),
        ]
    }
    assert len(headers) == 6


def test_without_a_receipt_nothing_is_believed(marks: Marks) -> None:
    unknowing = Marks()
    unknowing.learn([None, Receipt(1, 0, 0, "x").text()])
    assert unknowing.origin(marked(value(marks))) is None
    assert unknowing.origin(FakeMessage(b"claim")) is None
