"""Counts in a receipt, from the batch to the proof; without Kafka."""

from collections.abc import Mapping

import pytest

from consumer.kafka.receipts import Place, Receipt, Receipts

P0, P1 = ("claims", 0), ("claims", 1)
START = 1_000


@pytest.fixture
def receipts() -> Receipts:
    made = Receipts("group-w1")
    made.taken(P0, 100, START)
    return made


def commit(receipts: Receipts, offset: int, outcomes: int, at: int, place: Place = P0) -> Receipt:
    """Commit one batch of one partition; its receipt."""
    receipts.began(at)
    (written,) = receipts.write({place: offset}, {place: outcomes}, at)
    receipts.committed()
    found = Receipt.parse(written.metadata)
    assert found is not None
    assert (written.topic, written.partition, written.offset) == (*place, offset)
    return found


@pytest.mark.parametrize("key", ["", "0123456789abcdef" * 2])
def test_a_receipt_is_read_back_whatever_the_id(key: str) -> None:
    receipt = Receipt(1_700_000_000_123, 42, 7, "group by=x outcomes=3-w 1", key)
    assert Receipt.parse(receipt.text()) == receipt


@pytest.mark.parametrize(
    "text", [None, "", "x", "v1 since=1 begin=2 outcomes=x by=y", "v2 since=1"]
)
def test_what_others_left_with_an_offset_is_not_a_receipt(text: str | None) -> None:
    assert Receipt.parse(text) is None


def test_it_counts_from_the_takeover_until_it_is_proved(receipts: Receipts) -> None:
    assert commit(receipts, 110, 9, 2_000) == Receipt(START, 100, 9, "group-w1")
    assert commit(receipts, 130, 20, 3_000) == Receipt(START, 100, 29, "group-w1")


def test_a_proof_moves_the_beginning(receipts: Receipts) -> None:
    commit(receipts, 110, 9, 2_000)
    mark = receipts.mark(2_500)
    commit(receipts, 130, 20, 3_000)
    receipts.prove(mark)
    assert commit(receipts, 135, 5, 4_000) == Receipt(2_500, 110, 25, "group-w1")


def test_a_transaction_under_way_at_the_mark_is_not_younger_than_the_receipt(
    receipts: Receipts,
) -> None:
    commit(receipts, 110, 10, 2_000)
    receipts.began(2_400)
    receipts.write({P0: 120}, {P0: 10}, 2_400)
    mark = receipts.mark(2_500)
    receipts.committed()
    receipts.prove(mark)
    assert commit(receipts, 130, 10, 3_000) == Receipt(2_400, 110, 20, "group-w1")


def test_an_aborted_transaction_does_not_count(receipts: Receipts) -> None:
    commit(receipts, 110, 10, 2_000)
    receipts.began(2_100)
    receipts.write({P0: 120}, {P0: 10}, 2_100)
    receipts.aborted()
    assert commit(receipts, 115, 5, 2_200) == Receipt(START, 100, 15, "group-w1")


def test_a_proof_of_an_earlier_stint_proves_nothing(receipts: Receipts) -> None:
    commit(receipts, 110, 10, 2_000)
    mark = receipts.mark(2_500)
    receipts.taken(P0, 105, 3_000)
    receipts.prove(mark)
    assert commit(receipts, 120, 15, 3_100) == Receipt(3_000, 105, 15, "group-w1")


def test_what_is_visible_beyond_the_offset_keeps_the_time_of_the_oldest(receipts: Receipts) -> None:
    """Claims before 150 have outcomes from before the takeover: a proof must not hide those."""
    receipts.taken(P0, 100, START, keep_until=150)
    commit(receipts, 120, 20, 2_000)
    receipts.prove(receipts.mark(2_500))
    assert commit(receipts, 150, 30, 3_000) == Receipt(START, 120, 30, "group-w1")
    receipts.prove(receipts.mark(3_500))
    assert commit(receipts, 160, 10, 4_000) == Receipt(3_500, 150, 10, "group-w1")


def test_only_what_was_committed_is_known_again(receipts: Receipts) -> None:
    receipts.began(2_000)
    (written,) = receipts.write({P0: 110}, {P0: 10}, 2_000)
    assert not receipts.is_last(P0, written.metadata)
    receipts.committed()
    assert receipts.is_last(P0, written.metadata)
    assert not receipts.is_last(P1, written.metadata)
    receipts.taken(P0, 110, 3_000)
    assert not receipts.is_last(P0, written.metadata)
    assert not receipts.is_last(P0, None)


def test_stale_receipts_are_of_committed_partitions_at_rest(receipts: Receipts) -> None:
    receipts.taken(P1, 5, START)

    def stale(before_ms: int) -> Mapping[Place, int]:
        return receipts.stale([P0, P1], before_ms)

    assert stale(9_999) == {}  # nothing is committed yet
    commit(receipts, 110, 10, 2_000)
    assert (stale(2_000), stale(2_001)) == ({}, {P0: 110})
    receipts.write({P0: 120}, {P0: 10}, 2_000)
    assert stale(9_999) == {}  # its offset is about to change
    receipts.aborted()
    assert stale(9_999) == {P0: 110}
