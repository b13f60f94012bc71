"""Dead letters that are cut: a few kilobytes, whatever the record was."""

import base64
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.batch.alerts import referrals
from consumer.batch.cut import HEAD_BYTES
from consumer.batch.process import process
from consumer.batch.records import Record, coordinates
from consumer.dead_letters.encryption import read_keys
from consumer.dead_letters.sealing import make_opener, make_seal
from consumer.errors import KafkaStoppedError, SettingsError, TooLargeError, UnopenedError
from consumer.publishing.misfits import Misfits
from consumer.redrive.plan import Filter, plan
from consumer.settings.settings import Settings, read_settings
from schemas.alert import Source
from schemas.dead_letter import HEADER_OF, VALUE_HEADER, Form, Header, Reason
from schemas.decoding.size import MAX_CLAIM_BYTES
from tests.consumer.fakes import NOW, FakeScorer, claim, letter_of, mark
from tests.consumer.test_sealing import read
from tests.harness.kafka import FakeMessage

BAD = b'{"claim_id": "c", "claimant_name": "Wilhelmina", "claim_amount": "%s"}'
LIMIT = 5_000


def settings(form: Form, folder: Path) -> Settings:
    file = folder / "key"
    if not file.exists():
        file.write_bytes(base64.b64encode(os.urandom(32)))
    return Settings(instance_id="i", dead_letter_value=form, dead_letter_key_file=file)


def letter(message: FakeMessage, chosen: Settings, misfit: int) -> Record:
    seal = make_seal(chosen)
    misfits = {coordinates(message): misfit} if misfit else {}
    (record,) = process([message], FakeScorer(), NOW, seal=seal, misfits=misfits).dead_letters
    return record


def size(record: Record) -> int:
    headers = sum(len(n.encode()) + len(v or b"") for n, v in record.headers or ())
    return len(record.key or b"") + len(record.value or b"") + headers


@pytest.mark.parametrize("form", [Form.ORIGINAL, Form.REDACTED, Form.ENCRYPTED])
def test_it_keeps_head_digest_and_length(form: Form, tmp_path: Path) -> None:
    chosen = settings(form, tmp_path)
    value = BAD % (b"9" * 3_000)
    own: list[Header] = [("trace", b"1")]
    record = letter(FakeMessage(value, 4, headers=own), chosen, 1)
    found = letter_of(record)
    assert (found.value, found.reason) == (Form.CUT, Reason.INVALID)
    assert (found.sha256, found.length) == (hashlib.sha256(value).hexdigest(), len(value))
    assert (record.key, next(iter(record.headers or ()))) == (b"key", ("trace", b"1"))
    head = record.value or b""
    if form is Form.ENCRYPTED:
        head = read_keys(tmp_path / "key").open(record, found)
    if form is Form.REDACTED:
        assert head == b'{"claim_id":"c","claimant_name":"[redacted]","claim_amount":"[redacted]"}'
    else:
        assert head == value[:HEAD_BYTES]
    if form is not Form.ORIGINAL:
        assert b"Wilhelmina" not in (record.value or b"")
    step = plan([read(record)], Filter(), 10, make_opener(chosen), mark)
    assert (step.claims, len(step.gone), len(step.kept)) == ([], 1, 1)
    with pytest.raises(KafkaStoppedError, match="is cut"):
        make_opener(chosen)(record, found)


@example(b"k" * 9_000, b"v" * 9_000, [("\U0001f600" * 1_000, None)], Form.ORIGINAL)
@given(
    st.none() | st.binary(max_size=9_000),
    st.none() | st.binary(max_size=9_000),
    st.lists(st.tuples(st.text(max_size=9), st.none() | st.binary(max_size=2_000)), max_size=5),
    st.sampled_from([Form.ORIGINAL, Form.REDACTED]),
)
def test_it_always_fits(
    key: bytes | None, value: bytes | None, own: list[Header], form: Form
) -> None:
    message = FakeMessage(value, key=key, headers=own)
    record = letter(message, Settings(instance_id="i", dead_letter_value=form), 1)
    assert size(record) < LIMIT
    assert (record.key is None, record.value is None) == (key is None, value is None)
    assert letter_of(record).value is Form.CUT


def test_of_a_digest_only_its_own_is_believed() -> None:
    """A record that has such headers itself, as one that was a cut dead letter elsewhere."""
    spurious: list[Header] = [(HEADER_OF["sha256"], b"0" * 64), (HEADER_OF["length"], b"7")]
    message = FakeMessage(b"bad", headers=[*spurious, ("own", b"1")])
    for misfit in (0, 1):
        record = letter(message, Settings(instance_id="i"), misfit)
        assert (letter_of(record).sha256, letter_of(record).length) == ("", 0)
        assert next(n for n, _ in record.headers or ()) == "own"


def test_an_alert_that_does_not_fit_is_a_dead_letter_then_a_cut_one() -> None:
    messages = [FakeMessage(claim("a"), 1), FakeMessage(claim("b"), 2, key=b"k" * 3_000)]
    place = coordinates(messages[1])
    for misfit, form, kept in ((1, Form.ORIGINAL, 3_000), (2, Form.CUT, HEAD_BYTES)):
        found = process(messages, FakeScorer(), NOW, misfits={place: misfit})
        assert [s.offset for s in found.alert_sources] == [1]
        assert found.letter_sources == [place]
        (record,) = found.dead_letters
        assert (letter_of(record).reason, letter_of(record).value) == (Reason.TOO_LARGE, form)
        assert (len(record.key or b""), record.value) == (kept, claim("b"))
        assert found.reasons == {Reason.TOO_LARGE: 1}


def test_sources_stand_beside_what_is_published() -> None:
    messages = [FakeMessage(claim(str(n), 100.0 * n), n) for n in range(10)]
    messages.insert(3, FakeMessage(b"bad", 77))
    found = process(messages, FakeScorer(), NOW, wanted=referrals)
    assert [s.offset for s in found.alert_sources] == [5, 6, 7, 8, 9]
    assert len(found.alerts) == 5
    assert [s.offset for s in found.letter_sources] == [77]


def test_nothing_smaller_than_cut_is_tried() -> None:
    misfits, place = Misfits(), Source("claims", 1, 7)
    assert not misfits.learnt(TooLargeError("no", frozenset()))
    for _ in range(2):
        assert misfits.learnt(TooLargeError("no", frozenset({place})))
    with pytest.raises(KafkaStoppedError, match=r"not even .* cut fits: claims\[1\]@7"):
        misfits.learnt(TooLargeError("no", frozenset({place})))


def test_what_is_larger_than_a_claim_does_not_go_back(tmp_path: Path) -> None:
    value = b"x" * (MAX_CLAIM_BYTES + 1)
    for form in (Form.ORIGINAL, Form.ENCRYPTED):
        chosen = settings(form, tmp_path)
        record = letter(FakeMessage(value), chosen, 0)
        assert make_opener(chosen)(record, letter_of(record)) == value
        step = plan([read(record)], Filter(), 10, make_opener(chosen), mark)
        assert (step.claims, len(step.gone), len(step.kept)) == ([], 1, 1)
        empty = Filter(reasons=frozenset({Reason.EMPTY}))
        other = plan([read(record)], empty, 10, make_opener(chosen), mark)
        assert (other.gone, len(other.kept)) == ([], 1)


def test_an_encrypted_value_is_bound_to_its_version(tmp_path: Path) -> None:
    chosen = settings(Form.ENCRYPTED, tmp_path)
    record = letter(FakeMessage(b"x" * (MAX_CLAIM_BYTES + 1)), chosen, 0)
    sealed = record.value or b""
    assert len(sealed) < MAX_CLAIM_BYTES / 100
    with pytest.raises(UnopenedError, match="was changed"):
        read_keys(tmp_path / "key").open(
            record._replace(value=b"\x03" + sealed[1:]), letter_of(record)
        )


def test_the_head_of_a_cut_one_cannot_pass_for_a_claim(tmp_path: Path) -> None:
    chosen = settings(Form.ENCRYPTED, tmp_path)
    message = FakeMessage(b"x" * 2_000)
    whole, cut = letter(message, chosen, 0), letter(message, chosen, 1)
    for headers in (whole.headers, as_encrypted(cut)):
        forged = Record(cut.key, cut.value, headers)
        step = plan([read(forged)], Filter(), 10, make_opener(chosen), mark)
        assert (step.claims, len(step.unopened)) == ([], 1)


def as_encrypted(record: Record) -> list[Header]:
    """The headers of a dead letter, which claims to be whole."""
    own = [(name, value) for name, value in record.headers or () if name != VALUE_HEADER]
    return [*own, (VALUE_HEADER, "encrypted")]


def test_cut_cannot_be_asked_for() -> None:
    with pytest.raises(
        SettingsError, match=r"must be one of original, redacted, encrypted; got 'cut'$"
    ):
        read_settings({"INSTANCE_ID": "i", "DEAD_LETTER_VALUE": "cut"})
