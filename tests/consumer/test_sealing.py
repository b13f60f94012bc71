"""Dead letters that keep less than the record, and what a redrive makes of them."""

import base64
import hashlib
import json
import os
import re
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consumer.__main__ import main
from consumer.batch.decode import headers_of
from consumer.batch.process import process
from consumer.batch.records import Record
from consumer.dead_letters.encryption import read_keys
from consumer.dead_letters.sealing import make_opener, make_seal
from consumer.errors import KafkaStoppedError, SettingsError
from consumer.redrive.plan import Filter, Redriven, plan
from consumer.settings.settings import Settings, read_settings
from consumer.telemetry.health import Loop
from consumer.telemetry.metrics import Metrics
from consumer.worker.assembly import make_worker
from model.scoring.scorer import Scorer
from schemas.dead_letter import (
    ATTEMPT_HEADER,
    HEADER_OF,
    REDRIVEN_HEADER,
    VALUE_HEADER,
    Form,
    Header,
    Reason,
)
from schemas.decoding.size import MAX_CLAIM_BYTES
from tests.consumer.fakes import NOW, FakeScorer, claim, letter_of, mark
from tests.consumer.working import FakeSession
from tests.harness.kafka import FakeMessage

ALL = 1_000
BAD = b'{"claim_id": "c", "claimant_name": "Wilhelmina", "claim_amount": "much"}'


def key(folder: Path, *keys: bytes, name: str = "key") -> Path:
    """A key file; without keys, of one that is new."""
    file = folder / name
    lines = [base64.b64encode(k).decode() for k in keys or (os.urandom(32),)]
    file.write_text("\n".join(lines) + "\n")
    return file


def settings(form: Form = Form.ORIGINAL, file: Path | None = None) -> Settings:
    return Settings(instance_id="i", dead_letter_value=form, dead_letter_key_file=file)


def dead(
    chosen: Settings,
    value: bytes | None = BAD,
    headers: list[Header] | None = None,
    offset: int = 4,
) -> Record:
    """The dead letter the worker writes."""
    message = FakeMessage(value, offset, headers=headers or [])
    (record,) = process([message], FakeScorer(), NOW, seal=make_seal(chosen)).dead_letters
    return record


def read(record: Record, offset: int = 0) -> FakeMessage:
    """As it comes back from Kafka: the values of headers are bytes."""
    headers: list[Header] = [
        (n, v.encode() if isinstance(v, str) else v) for n, v in record.headers or ()
    ]
    return FakeMessage(record.value, offset, key=record.key, headers=headers, topic="dead")


def sent_back(record: Record, chosen: Settings) -> Record:
    step = plan([read(record)], Filter(), ALL, make_opener(chosen), mark)
    (claim_again,) = step.claims
    return claim_again


def kept(record: Record, chosen: Settings) -> str:
    """Why it is not sent back but stays in the topic."""
    step = plan([read(record)], Filter(), ALL, make_opener(chosen), mark)
    assert not step.claims
    assert not step.letters
    assert [one.value for one in step.kept] == [record.value]
    (unopened,) = step.unopened
    return unopened.why


def test_an_encrypted_dead_letter_comes_back_as_it_was(tmp_path: Path) -> None:
    chosen = settings(Form.ENCRYPTED, key(tmp_path))
    own: list[Header] = [("trace", b"\xff")]
    record = dead(chosen, headers=own)
    assert letter_of(record).value is Form.ENCRYPTED
    assert letter_of(record).reason is Reason.INVALID
    assert record.value is not None
    assert b"Wilhelmina" not in record.value
    assert b"claim" not in record.value
    assert len(record.value) == len(BAD) + 33
    again = sent_back(record, settings(file=chosen.dead_letter_key_file))
    assert again == Record(
        b"key", BAD, [*own, (ATTEMPT_HEADER, "1"), (REDRIVEN_HEADER, "dead-0-0")]
    )


def test_the_same_record_never_encrypts_to_the_same(tmp_path: Path) -> None:
    chosen = settings(Form.ENCRYPTED, key(tmp_path))
    assert dead(chosen).value != dead(chosen).value


@pytest.mark.parametrize("value", [None, b""])
@pytest.mark.parametrize("form", list(Form))
def test_what_has_no_value_stays_as_it_is(form: Form, value: bytes | None, tmp_path: Path) -> None:
    chosen = settings(form, key(tmp_path))
    record = dead(chosen, value)
    assert (record.value, letter_of(record).value) == (value, Form.ORIGINAL)
    assert sent_back(record, chosen).value == value


@pytest.mark.parametrize("form", list(Form))
def test_only_the_value_differs(form: Form, tmp_path: Path) -> None:
    own: list[Header] = [("trace", b"1"), ("trace", None)]
    plain = dead(settings(), headers=own)
    other = dead(settings(form, key(tmp_path)), headers=own)
    assert other.key == plain.key
    assert [h for h in other.headers or () if h[0] != VALUE_HEADER] == [
        h for h in plain.headers or () if h[0] != VALUE_HEADER
    ]


def test_a_key_that_was_replaced_still_opens(tmp_path: Path) -> None:
    old, new = os.urandom(32), os.urandom(32)
    both = settings(Form.ENCRYPTED, key(tmp_path, new, old, name="both"))
    before = dead(settings(Form.ENCRYPTED, key(tmp_path, old, name="old")))
    after = dead(both)
    assert sent_back(before, both).value == sent_back(after, both).value == BAD
    only_new = settings(file=key(tmp_path, new, name="new"))
    assert sent_back(after, only_new).value == BAD
    why = kept(before, only_new)
    assert re.match(r"DEAD_LETTER_KEY_FILE does not contain the key \w{8}…", why)


def test_without_the_key_it_is_named_with_the_record(tmp_path: Path) -> None:
    record = dead(settings(Form.ENCRYPTED, key(tmp_path)))
    why = kept(record, settings())
    assert re.match(r"DEAD_LETTER_KEY_FILE is not set: .*claims\[0\]@4", why)


def test_what_was_changed_is_not_sent(tmp_path: Path) -> None:
    chosen = settings(Form.ENCRYPTED, key(tmp_path))
    record, other = dead(chosen), dead(chosen, offset=5)
    assert record.value is not None
    flipped = record.value[:-1] + bytes([record.value[-1] ^ 1])
    for value in (flipped, record.value[:-1], record.value[:9], record.value[:5], other.value):
        why = kept(Record(record.key, value, record.headers), chosen)
        assert re.search(r"claims\[0\]@4|does not contain the key", why)


CHANGED: dict[str, Callable[[Record], Record]] = {
    "key": lambda record: record._replace(key=b"other"),
    "no key": lambda record: record._replace(key=None),
    "empty key": lambda record: record._replace(key=b""),
    "own header": lambda record: with_header(record, "trace", b"2"),
    "null header": lambda record: with_header(record, "trace", None),
    "one more": lambda record: record._replace(headers=[("more", b"1"), *(record.headers or ())]),
    "one less": lambda record: record._replace(headers=list(record.headers or ())[1:]),
    "another order": lambda record: record._replace(headers=list(record.headers or ())[::-1]),
    "attempt": lambda record: with_header(record, ATTEMPT_HEADER, b"2"),
    "offset": lambda record: with_header(record, HEADER_OF["offset"], b"5"),
    "failed_at": lambda record: with_header(record, HEADER_OF["failed_at"], str(NOW).encode()),
}


def with_header(record: Record, name: str, value: bytes | None) -> Record:
    return record._replace(
        headers=[(n, value if n == name else v) for n, v in record.headers or ()]
    )


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_key_and_headers_belong_to_the_value(
    change: Callable[[Record], Record], tmp_path: Path
) -> None:
    """Whoever may write dead letters could otherwise have a claim scored with other ones."""
    chosen = settings(Form.ENCRYPTED, key(tmp_path))
    record = dead(chosen, headers=[("trace", b"1"), ("empty", b""), ("null", None)])
    assert sent_back(record, chosen).value == BAD
    assert "was changed (its value, key or headers)" in kept(change(record), chosen)


def test_the_place_that_somebody_forged_is_not_repeated_at_any_length(tmp_path: Path) -> None:
    record = dead(settings(Form.ENCRYPTED, key(tmp_path)))
    forged = with_header(record, HEADER_OF["topic"], b"claims\n\x1b[2J" + b"x" * 100_000)
    why = kept(forged, settings())
    assert "claims???2Jxxx" in why
    assert why.isprintable()
    assert len(why) < 500


def test_a_mark_that_an_earlier_redrive_made_changes_nothing(tmp_path: Path) -> None:
    chosen = settings(Form.ENCRYPTED, key(tmp_path))
    record = dead(chosen)
    wanted = Filter(reasons=frozenset({Reason.EMPTY}))
    (again,) = plan([read(record)], wanted, ALL, make_opener(chosen), mark).kept
    assert sent_back(again, chosen).value == BAD


LARGE = b"x" * (MAX_CLAIM_BYTES + 1)


@pytest.mark.parametrize(
    ("version", "value", "written", "bound_to"),
    [
        (b"\x01", BAD, BAD, b"claims[0]@4"),
        (b"\x02", LARGE, zlib.compress(LARGE), b"\x02claims[0]@4"),
    ],
)
def test_what_an_earlier_release_encrypted_is_still_read(
    version: bytes, value: bytes, written: bytes, bound_to: bytes, tmp_path: Path
) -> None:
    secret, nonce = os.urandom(32), os.urandom(12)
    sealed = AESGCM(secret).encrypt(nonce, written, bound_to)
    head = version + hashlib.sha256(secret).digest()[:4] + nonce
    chosen = settings(Form.ENCRYPTED, key(tmp_path, secret))
    record = dead(chosen)._replace(value=head + sealed)
    assert make_opener(chosen)(record, letter_of(record)) == value


def test_one_of_a_newer_release_says_so(tmp_path: Path) -> None:
    chosen = settings(Form.ENCRYPTED, key(tmp_path))
    record = dead(chosen)
    newer = record._replace(value=b"\x05" + (record.value or b"")[1:])
    assert "encrypted by a newer release" in kept(newer, chosen)


def test_one_the_filter_leaves_out_needs_no_key(tmp_path: Path) -> None:
    record = dead(settings(Form.ENCRYPTED, key(tmp_path)))
    wanted = Filter(reasons=frozenset({Reason.EMPTY}))
    step = plan([read(record)], wanted, ALL, make_opener(settings()), mark)
    assert (step.claims, len(step.kept)) == ([], 1)
    assert step.kept[0].value == record.value


def test_redacted_ones_are_kept_and_counted(tmp_path: Path) -> None:
    records = [
        dead(settings(Form.REDACTED)),
        dead(settings(Form.REDACTED), b"not json"),
        dead(settings()),
    ]
    messages = [read(record, offset) for offset, record in enumerate(records)]
    step = plan(messages, Filter(), ALL, make_opener(settings(file=key(tmp_path))), mark)
    assert [record.value for record in step.claims] == [BAD]
    assert step.kept == [
        Record(
            m.key(),
            m.value(),
            [*headers_of(m), (REDRIVEN_HEADER, f"dead-0-{m.offset()}")],
            m.timestamp()[1],
        )
        for m in messages[:2]
    ]
    assert Redriven(1, 1, 1).and_then(step) == Redriven(2, 3, 3)
    other = Filter(reasons=frozenset({Reason.EMPTY}))
    assert plan(messages, other, ALL, make_opener(settings()), mark).gone == []
    with pytest.raises(KafkaStoppedError, match="is redacted"):
        make_opener(settings())(records[0], letter_of(records[0]))


@pytest.mark.parametrize("form", ["redacted", "encrypted", "eaten"])
def test_a_claim_cannot_say_what_its_dead_letter_is(form: str) -> None:
    """Whoever may send claims could stop the redrive otherwise."""
    record = dead(settings(), headers=[(VALUE_HEADER, form.encode())])
    assert letter_of(record).value is Form.ORIGINAL
    assert sent_back(record, settings()) == Record(
        b"key", BAD, [(ATTEMPT_HEADER, "1"), (REDRIVEN_HEADER, "dead-0-0")]
    )


def test_a_claim_cannot_say_so_of_a_sealed_one_either(tmp_path: Path) -> None:
    chosen = settings(Form.ENCRYPTED, key(tmp_path))
    record = dead(chosen, headers=[(VALUE_HEADER, b"original")])
    assert [v for n, v in record.headers or () if n == VALUE_HEADER] == ["encrypted"]


def test_alerts_are_not_touched() -> None:
    message = FakeMessage(claim())
    seal = make_seal(settings(Form.REDACTED))
    plain = process([message], FakeScorer(), NOW).alerts
    assert len(plain) == 1
    assert process([message], FakeScorer(), NOW, seal=seal).alerts == plain


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"c2hvcnQ=\n", b"not base64 at all", b"\xff\xfe", b"A" * 44 + b"=", None],
)
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"^DEAD_LETTER_KEY_FILE={file} ") as refused:
        read_keys(file)
    if content and content.strip().isascii() and content.strip():
        assert content.decode().strip() not in str(refused.value)


def test_keys_that_anybody_may_replace_are_refused(tmp_path: Path) -> None:
    file = key(tmp_path)
    assert read_keys(file)
    file.chmod(0o666)
    with pytest.raises(SettingsError, match=f"^DEAD_LETTER_KEY_FILE={file} .*chmod o-w {file}$"):
        read_keys(file)


def test_one_wrong_line_spoils_the_file(tmp_path: Path) -> None:
    file = key(tmp_path)
    file.write_text(file.read_text() + "c2hvcnQ=\n")
    with pytest.raises(SettingsError, match="openssl rand -base64 32"):
        read_keys(file)


def test_encrypting_needs_a_key() -> None:
    with pytest.raises(
        SettingsError, match="DEAD_LETTER_VALUE=encrypted needs DEAD_LETTER_KEY_FIL"
    ):
        read_settings({"DEAD_LETTER_VALUE": "encrypted"})
    files = {"DEAD_LETTER_VALUE": "encrypted", "DEAD_LETTER_KEY_FILE": "/k"}
    assert read_settings(files).dead_letter_value is Form.ENCRYPTED


def test_without_the_library_its_installation_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(SettingsError, match=r"-r requirements/runtime\.lock"):
        make_seal(settings(Form.ENCRYPTED, key(tmp_path)))


def test_a_wrong_key_file_stops_a_redrive_and_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before Kafka is asked for anything: nothing listens there."""
    file = tmp_path / "none"
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("DEAD_LETTER_KEY_FILE", str(file))
    assert main(["redrive"]) == 2
    assert f"error: DEAD_LETTER_KEY_FILE={file} cannot be read" in capsys.readouterr().err
    chosen = read_settings({**os.environ, "DEAD_LETTER_VALUE": "encrypted"})

    def no_model() -> Scorer:
        raise AssertionError

    with pytest.raises(SettingsError, match=r"^DEAD_LETTER_KEY_FILE="):
        make_worker(chosen, FakeSession(), no_model, Metrics(), Loop())


def test_a_redacted_value_says_what_was_wrong_and_where() -> None:
    record = dead(settings(Form.REDACTED))
    assert letter_of(record).path == "$.claim_amount"
    found = json.loads(record.value or b"")
    assert found == {
        "claim_id": "c", "claimant_name": "[redacted]", "claim_amount": "[redacted]"
    }  # fmt: skip
