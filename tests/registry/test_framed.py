"""Claims and alerts in the frames of a registry: the same as plain ones, but for the frame."""

import contextlib
import decimal
import gzip
import json
import math
import ssl
import sys
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from consumer.batch.edges import PLAIN, Wire
from consumer.batch.process import Outcome, process
from consumer.errors import RegistryStoppedError, SettingsError
from consumer.registry import client as client_module
from consumer.registry.alerts import plain
from consumer.registry.claims import KEPT_SIZE, FramedClaims, Frames
from consumer.registry.client import Registry, connect
from consumer.registry.wire import json_of, make_wire, wire_of
from consumer.settings.settings import Settings, read_settings
from model.datasets.dataset import load
from model.scoring.scorer import Scorer
from schemas import examples
from schemas.alert import FraudAlert
from schemas.avro import claim_avro
from schemas.claim_form import form_of
from schemas.dead_letter import DeadLetter, Reason
from schemas.decoding.refusal import RefusedError
from schemas.decoding.unknown import UnknownFields
from schemas.documents import claim_schema
from schemas.export import FOLDER
from tests.broker.ports import free_ports
from tests.consumer.fakes import NOW, FakeScorer, alert_of
from tests.deploy.secured import Certificates
from tests.harness.kafka import FakeMessage
from tests.registry import writing
from tests.registry.small import SmallRegistry, Trickle, small_registry
from tests.schemas.contracts import decoder as contract_decoder
from tests.schemas.test_record_headers import described, texts

pytestmark = pytest.mark.slow


def settings(url: str, **more: str) -> Settings:
    return read_settings({"SCHEMA_REGISTRY_URL": url, "INSTANCE_ID": "w1", **more})


def outcome(wire: Wire, *values: bytes | None, scorer: Any = None) -> Outcome:
    batch = [FakeMessage(value, offset) for offset, value in enumerate(values)]
    return process(batch, scorer or FakeScorer(), NOW, wire=wire)


def reading(client: SchemaRegistryClient) -> Callable[[bytes], Any]:
    """A function that reads framed claims."""
    read = FramedClaims(Registry(client))
    return lambda value: read(value, (), FakeScorer.decoder).claim


def letters(found: Outcome) -> list[DeadLetter]:
    return [DeadLetter.from_headers(record.headers or ()) for record in found.dead_letters]


def test_the_same_claim_has_the_same_score_in_every_form(
    url: str, client: SchemaRegistryClient, scorer: Scorer
) -> None:
    claims = load("synthetic", "synthetic", rows=200, seed=5).claims
    shown = [*examples.CLAIMS, *(json.loads(msgspec.json.encode(c)) for c in claims)]
    wire = make_wire(settings(url))
    forms = [writing.plain, writing.json_schema(client), writing.avro(client)]
    bare, framed, avro = (
        outcome(wire, *[write(claim) for claim in shown], scorer=scorer) for write in forms
    )
    assert len(bare.alerts) == len(shown)
    assert bare.claims == framed.claims == avro.claims
    assert [r.value for r in bare.alerts] == [r.value for r in framed.alerts]
    assert [r.value for r in bare.alerts] == [r.value for r in avro.alerts]
    assert bare.probabilities.max() > bare.probabilities.min()


def test_forms_may_be_mixed_and_what_is_none_of_them_is_set_aside(
    url: str, client: SchemaRegistryClient
) -> None:
    good = examples.REAR_END
    write = writing.avro(client)
    cut, unknown = write(good)[:40], b"\0\xff\xff\xff\xfe{}"
    values = [
        writing.plain(good), writing.json_schema(client)(good), write(good),
        cut, unknown, b"\0", b"\0\0\0\0\1", b"{", None,
    ]  # fmt: skip
    found = outcome(make_wire(settings(url)), *values)
    assert len(found.alerts) == 3
    assert [r.value for r in found.dead_letters] == values[3:], "byte for byte"
    said = [
        (letter.reason, letter.message.partition(" for schema")[0]) for letter in letters(found)
    ]
    assert said == [
        (Reason.INVALID, "the payload is not valid Avro"),
        (Reason.INVALID, "schema 4294967294 is not in the registry"),
        (Reason.INVALID, "a schema registry frame without content"),
        (Reason.INVALID, "a schema registry frame without content"),
        (Reason.NOT_JSON, "Input data was truncated"),
        (Reason.EMPTY, "the record has no value"),
    ]


def framed_example(client: SchemaRegistryClient, name: str) -> bytes:
    """The first example of a contract, framed with the schema that is exported for it."""
    form = form_of(contract_decoder(name))
    write = AvroSerializer(client, json.dumps(claim_avro(form.sent)))
    value = write(form.examples[0], SerializationContext(f"{name}-claims", MessageField.VALUE))
    assert isinstance(value, bytes)
    return value


def test_claims_are_read_by_the_exported_schema(client: SchemaRegistryClient) -> None:
    decoder = contract_decoder("auto")
    known, _ = decoder.read(json.dumps(form_of(decoder).examples[0]).encode())
    found = FramedClaims(Registry(client))(framed_example(client, "auto"), (), decoder)
    assert (found.claim, found.unknown_fields) == (known, ())


@pytest.mark.parametrize("name", ["health", "property"])
def test_nested_events_are_refused_as_avro_and_read_as_json_schema(
    client: SchemaRegistryClient, name: str
) -> None:
    decoder, read = contract_decoder(name), FramedClaims(Registry(client))
    with pytest.raises(RefusedError, match=r"it may be of type \['null', 'record'\]"):
        read(framed_example(client, name), (), decoder)
    value = json.dumps(form_of(decoder).examples[0]).encode()
    schema_id = client.register_schema(
        f"{name}-json", Schema(json.dumps(claim_schema(form_of(decoder))), "JSON")
    )
    framed = b"\0" + schema_id.to_bytes(4, "big") + value
    found = read(framed, (), decoder)
    assert (found.claim, found.unknown_fields) == (decoder.read(value)[0], ())


def test_fields_of_the_writer_s_schema_that_the_contract_does_not_know(
    client: SchemaRegistryClient,
) -> None:
    schema = {
        "type": "record", "name": "Odd", "fields": [
            {"name": "claim_id", "type": "string"}, {"name": "colour", "type": "string"},
        ],
    }  # fmt: skip
    write = AvroSerializer(client, json.dumps(schema))
    context = SerializationContext("odd", MessageField.VALUE)
    value = write({"claim_id": "c", "colour": "red"}, context)
    registry = Registry(client)
    flagged = FramedClaims(registry)(value, (), FakeScorer.decoder)
    assert (flagged.claim.claim_id, flagged.unknown_fields) == ("c", ("colour",))
    ignored = FramedClaims(registry, UnknownFields.IGNORE)(value, (), FakeScorer.decoder)
    assert ignored.unknown_fields == ()
    with pytest.raises(RefusedError) as caught:
        FramedClaims(registry, UnknownFields.REFUSE)(value, (), FakeScorer.decoder)
    assert caught.value.path == "$.colour"


def test_a_framed_claim_is_held_to_the_same_contract(client: SchemaRegistryClient) -> None:
    read = reading(client)
    own = json.dumps(
        {
            "type": "record",
            "name": "Theirs",
            "fields": [
                {"name": "claim_id", "type": "string"},
                {"name": "claim_amount", "type": ["null", "double", "string"], "default": None},
                {"name": "not_ours", "type": "int", "default": 3},
            ],
        }
    )
    write = writing.avro(client, "theirs", own)
    assert read(write({"claim_id": "c", "claim_amount": 5.0})).claim_amount == 5.0
    for amount in (-1.0, math.nan, math.inf, "five"):
        with pytest.raises(RefusedError) as refused:
            read(write({"claim_id": "c", "claim_amount": amount}))
        assert (refused.value.reason, refused.value.path) == (Reason.INVALID, "$.claim_amount")
    with pytest.raises(RefusedError) as refused:
        read(writing.json_schema(client)(examples.REAR_END)[:5] + b'{"claim_id": 7}')
    assert refused.value.path == "$.claim_id"


def test_amounts_as_decimals_and_values_that_are_no_record(client: SchemaRegistryClient) -> None:
    read = reading(client)
    money = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
    fields = [{"name": "claim_id", "type": "string"}, {"name": "claim_amount", "type": money}]
    schema = json.dumps({"type": "record", "name": "Exact", "fields": fields})
    value = {"claim_id": "c", "claim_amount": decimal.Decimal("12.50")}
    assert read(writing.avro(client, "exact", schema)(value)).claim_amount == 12.5
    with pytest.raises(RefusedError, match="is not an object"):
        read(writing.avro(client, "text", '"string"')("c"))  # type: ignore[arg-type]


@pytest.mark.slow
@trying(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(payload=st.binary(max_size=80), kind=st.sampled_from(["AVRO", "JSON"]))
def test_whatever_is_in_a_frame_is_a_claim_or_refused(
    small: SmallRegistry, payload: bytes, kind: str
) -> None:
    schema = FOLDER / ("claim.avsc" if kind == "AVRO" else "claim.json")
    number = small.register(kind, schema.read_text(), kind)
    value = b"\0" + number.to_bytes(4, "big") + payload
    found = outcome(Wire(read_from(small)), value)
    assert len(found.alerts) + len(found.dead_letters) == 1


_readers: dict[str, FramedClaims] = {}


def read_from(small: SmallRegistry) -> FramedClaims:
    """One reader a registry: it keeps what it asked for."""
    client = SchemaRegistryClient({"url": small.url})
    return _readers.setdefault(small.url, FramedClaims(Registry(client)))


@pytest.mark.parametrize("form", ["json-schema", "avro"])
@pytest.mark.parametrize("amount", [10.0, 900.0])
def test_alerts_can_be_read_by_the_registry_s_own_readers(
    url: str, client: SchemaRegistryClient, form: str, amount: float
) -> None:
    wanted = settings(url, ALERT_FORMAT=form, ALERTS_TOPIC=f"alerts.{form}")
    claim = writing.plain({**examples.LATE_THEFT, "claim_amount": amount})
    (record,) = outcome(make_wire(wanted), claim).alerts
    (expected,) = outcome(PLAIN, claim).alerts
    reader: Any = AvroDeserializer(client)
    if form == "json-schema":
        reader = JSONDeserializer(None, None, client, writing.CONFIG)
    context = SerializationContext(f"alerts.{form}", MessageField.VALUE)
    assert writing.alert_of(reader(record.value, context)) == alert_of(expected)
    described("FraudAlert").validate(texts(record.headers))
    assert dict(record.headers or ())["content-type"] == "application/octet-stream"
    assert record.key == expected.key
    for value in (record.value, expected.value):
        opened = json_of(wanted)(value or b"")
        assert writing.alert_of(msgspec.json.decode(opened)) == alert_of(expected)
    (latest,) = {s.schema_id for s in [client.get_latest_version(f"alerts.{form}-value")]}
    assert (record.value or b"")[:5] == b"\0" + (latest or 0).to_bytes(4, "big")


def test_every_example_alert_can_be_written_in_avro(client: SchemaRegistryClient) -> None:
    context = SerializationContext("any", MessageField.VALUE)
    schema = (FOLDER / "fraud-alert.avsc").read_text()
    write = AvroSerializer(client, schema, conf=writing.CONFIG)
    values: list[Any] = [1.5, True, "theft", None]
    for example, value in product((examples.REFERRED, examples.REMEMBERED), values):
        reason = {**example["reasons"][0], "value": value}
        alert = json.dumps({**example, "reasons": [reason]}).encode()
        back: Any = AvroDeserializer(client)(write(plain(alert), context))
        assert writing.alert_of(back) == msgspec.json.decode(alert, type=FraudAlert)


def test_a_schema_is_asked_for_once_and_an_unknown_id_not_at_once_again(
    small: SmallRegistry,
) -> None:
    client = SchemaRegistryClient({"url": small.url})
    value = writing.json_schema(client)(examples.REAR_END)
    wire = make_wire(settings(small.url))
    small.asked.clear()
    unknown = [b"\0\0\0\0\x09{}", b"\0\0\0\0\x08{}"]
    found = outcome(wire, value, value, *unknown, *unknown)
    assert (len(found.alerts), len(found.dead_letters)) == (2, 4)
    assert sorted(small.asked) == ["/schemas/ids/1", "/schemas/ids/8", "/schemas/ids/9"]
    other = wire_of(settings(small.url), Registry(client, forget_s=0.0))
    outcome(other, b"\0\0\0\0\x02{}")
    small.register("later", "{}", "JSON")
    assert letters(outcome(other, b"\0\0\0\0\x02{}"))[0].path == "$", "known now, and no claim"
    assert letters(outcome(other, b"\0\0\0\0\x02{}"))[0].message.startswith("lacks ")


def unheard_of(count: int) -> list[bytes]:
    """Records of schemas that nobody registered, each of another."""
    return [b"\0" + number.to_bytes(4, "big") + b"{}" for number in range(1_000, 1_000 + count)]


def test_the_schemas_of_a_batch_are_asked_for_at_once_and_once(small: SmallRegistry) -> None:
    wire = quick_wire(settings(small.url))
    known = small.register("claims-value", "{}", "JSON")
    good = b"\0" + known.to_bytes(4, "big") + writing.plain(examples.REAR_END)
    small.asked.clear()
    small.slow_s = 0.05
    found = outcome(wire, good, *unheard_of(100), *unheard_of(100))
    assert (len(found.alerts), len(found.dead_letters)) == (1, 200)
    assert {letter.message for letter in letters(found)} == {
        f"schema {number} is not in the registry" for number in range(1_000, 1_100)
    }
    assert len(small.asked) == len(set(small.asked)) == 101
    assert small.most_at_once > 5, "one after the other, a worker would stand still"


def test_a_batch_does_not_wait_for_more_schemas_than_there_is_time_for(
    small: SmallRegistry,
) -> None:
    """Whoever may produce may name any number; those who are late are told to be sent again."""
    client = SchemaRegistryClient({"url": small.url, "max.retries": 0})
    registry = Registry(client, learn_s=4.0)
    wire = wire_of(settings(small.url), registry)
    small.slow_s = 0.5
    found = outcome(wire, writing.plain(examples.REAR_END), *unheard_of(2_000))
    told = Counter(letter.message.partition(": ")[2] for letter in letters(found))
    assert (len(found.alerts), len(found.dead_letters)) == (1, 2_000)
    late = [text for text in told if "redrive the record" in text]
    assert late
    assert told[late[0]] < 2_000, "some were answered"
    small.slow_s = 0.0
    registry.learn([1_999, 2_999])
    assert not registry.late, "the next batch asks again"


def test_a_registry_that_answers_none_of_many_has_stopped(small: SmallRegistry) -> None:
    client = SchemaRegistryClient({"url": small.url, "max.retries": 0})
    wire = wire_of(settings(small.url), Registry(client, learn_s=SOON_S))
    small.slow_s = 5.0
    with pytest.raises(RegistryStoppedError, match=r"asking for 100 schemas: .*no answer for"):
        outcome(wire, *unheard_of(100))


def test_a_registry_that_breaks_among_many_stops_the_batch(small: SmallRegistry) -> None:
    wire = quick_wire(settings(small.url))
    small.broken = True
    with pytest.raises(RegistryStoppedError, match="asking for schema 1"):
        outcome(wire, *unheard_of(100))


@pytest.mark.parametrize("number", [2**31, 2**32 - 1])
def test_an_id_that_no_registry_can_have_is_refused(small: SmallRegistry, number: int) -> None:
    found = outcome(make_wire(settings(small.url)), b"\0" + number.to_bytes(4, "big") + b"x")
    assert letters(found)[0].message == f"schema {number} is not in the registry"


def test_other_kinds_of_schema_are_refused_by_name(small: SmallRegistry) -> None:
    number = small.register("p", 'syntax = "proto3";', "PROTOBUF")
    found = outcome(make_wire(settings(small.url)), b"\0" + number.to_bytes(4, "big") + b"x")
    assert letters(found)[0].message == f"schema {number} is PROTOBUF, not JSON or AVRO"


def quick_wire(wanted: Settings) -> Wire:
    """As `make_wire`, with a client that asks once."""
    return wire_of(wanted, connect(wanted, retries=0))


def test_a_registry_that_is_not_there_stops_the_start() -> None:
    (port,) = free_ports(1)
    with pytest.raises(RegistryStoppedError, match="connecting") as stopped:
        quick_wire(settings(f"http://127.0.0.1:{port}"))
    assert stopped.value.exit_code == 8


@pytest.mark.parametrize("fault", ["broken", "address"])
def test_a_registry_that_fails_later_is_no_dead_letter(small: SmallRegistry, fault: str) -> None:
    wire = quick_wire(settings(small.url))
    assert outcome(wire, writing.plain(examples.REAR_END)).alerts
    small.broken = fault == "broken"
    small.elsewhere = fault == "address"
    with pytest.raises(RegistryStoppedError, match="asking for schema 5"):
        outcome(wire, b"\0\0\0\0\5{}")
    assert outcome(wire, writing.plain(examples.REAR_END)).alerts, "plain claims need no registry"


NOT_A_REGISTRY = [
    *(b"<html>Sign in</html>", b"", b"null", b"5", b'"text"', b"[1]", b"\xff\xfe"),
    *(b'{"schema": "{}", "references": [null]}', b'{"schema": "{}", "references": "abc"}'),
    b'{"schema": ' + b"[" * 100_000,
]


@pytest.mark.parametrize("content", NOT_A_REGISTRY)
def test_what_answers_like_no_registry_is_none(small: SmallRegistry, content: bytes) -> None:
    """As the page of a proxy that wants people to sign in."""
    wire = quick_wire(settings(small.url))
    small.instead = content
    with contextlib.suppress(RegistryStoppedError):  # some answers will do to connect
        quick_wire(settings(small.url))
    with pytest.raises(RegistryStoppedError, match="asking for schema 5") as stopped:
        outcome(wire, b"\0\0\0\0\5{}")
    assert stopped.value.exit_code == 8


SOON_S = 0.3


@pytest.mark.parametrize("what", ["head", "body"])
def test_an_answer_that_never_ends_is_not_waited_for(small: SmallRegistry, what: Trickle) -> None:
    """One byte at a time, each of them well before the client would stop waiting for it."""
    wanted = settings(small.url, ALERT_FORMAT="avro")
    number = small.register("odd", '"string"')
    registry = connect(wanted, retries=0, limit_s=SOON_S)
    wire = wire_of(wanted, registry)
    registry.kind(number)
    small.trickling = what
    late = "no complete answer within 0.3 s"
    with pytest.raises(RegistryStoppedError, match=f"connecting: .*{late}") as stopped:
        connect(wanted, retries=0, limit_s=SOON_S)
    assert stopped.value.exit_code == 8
    with pytest.raises(RegistryStoppedError, match=f"asking for schema 9: .*{late}"):
        outcome(wire, b"\0\0\0\0\x09{}")
    with pytest.raises(RegistryStoppedError, match=f"registering the alerts' schema .*{late}"):
        wire_of(settings(small.url, ALERT_FORMAT="json-schema"), registry)


ENDLESS = 10**9


def test_an_answer_that_is_too_large_is_given_up_as_it_arrives(small: SmallRegistry) -> None:
    wanted = settings(small.url)
    wire = quick_wire(wanted)
    small.flooding = ENDLESS
    with pytest.raises(RegistryStoppedError, match="OversizedError: the answer has more"):
        quick_wire(wanted)
    small.status = 500
    with pytest.raises(RegistryStoppedError, match="schema 5: AnswerError: the answer has more"):
        outcome(wire, b"\0\0\0\0\5{}")
    small.status = None
    for ids in [5], [5, 6, 7]:
        found = outcome(wire, *(b"\0\0\0\0" + bytes([number]) + b"{}" for number in ids))
        assert [letter.message for letter in letters(found)] == [
            f"schema {number} is too large: over 2,097,152 bytes" for number in ids
        ]
    assert small.taken < ENDLESS / 10, "some answers, of which the client reads 2 MiB each"


def test_an_answer_that_is_packed_unasked_is_refused(small: SmallRegistry) -> None:
    wire = quick_wire(settings(small.url))
    small.coding, small.instead = "gzip", gzip.compress(b" " * 10**8)
    with pytest.raises(RegistryStoppedError, match=r"AnswerError: .* Content-Encoding 'gzip'"):
        outcome(wire, b"\0\0\0\0\5{}")


def test_an_error_of_any_length_is_told_in_short(small: SmallRegistry) -> None:
    wire = quick_wire(settings(small.url))
    small.status, small.instead = 403, b"<html>" + b"x" * 100_000
    with pytest.raises(RegistryStoppedError, match="403") as stopped:
        outcome(wire, b"\0\0\0\0\5{}")
    assert len(str(stopped.value)) < 1_000


def test_the_references_of_a_schema_have_one_limit_in_all(small: SmallRegistry) -> None:
    number = small.register("odd", '"string"')
    registry = connect(settings(small.url), retries=0, limit_s=SOON_S)
    small.trickling = "body"
    with pytest.raises(RegistryStoppedError, match="no complete answer within"):
        registry.texts(number)


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_a_schema_that_refers_to_too_many_is_a_dead_letter(
    small: SmallRegistry, shape: str
) -> None:
    """Each is a request: the worker would run out of time at the same record at every start."""
    parts = 2 * client_module.MOST_REFERENCES
    numbers = [
        small.register(f"s{n}", json.dumps({"type": "record", "name": f"N{n}", "fields": []}))
        for n in range(parts)
    ]
    named = [{"name": f"N{n}", "subject": f"s{n}", "version": numbers[n]} for n in range(parts)]
    chain = {numbers[n]: [named[n + 1]] for n in range(parts - 1)}
    small.references = chain if shape == "chain" else {numbers[0]: named[1:]}
    found = outcome(quick_wire(settings(small.url)), b"\0" + numbers[0].to_bytes(4, "big") + b"\0")
    said = f"schema {numbers[0]} cannot be used: it refers to more than 100 others"
    assert [(letter.reason, letter.message) for letter in letters(found)] == [
        (Reason.INVALID, said)
    ]
    assert len(small.asked) < parts


def record_of(name: str, size: int) -> str:
    """A schema of about so many characters."""
    fields = [{"name": f"f{n:05}", "type": "boolean"} for n in range(size // 38)]
    return json.dumps({"type": "record", "name": name, "fields": fields})


def refused_as(found: Outcome) -> list[str]:
    return [letter.message.partition(": ")[2] for letter in letters(found)]


def framed(number: int, payload: bytes = b"") -> bytes:
    return b"\0" + number.to_bytes(4, "big") + payload


def test_a_schema_that_is_long_with_those_it_refers_to_is_a_dead_letter(
    small: SmallRegistry,
) -> None:
    """What reads it would take a hundred megabytes, and the schema is the producer's."""
    many = [small.register(f"s{n}", record_of(f"N{n}", 60_000)) for n in range(10)]
    first, alone = small.register("first", '"string"'), small.register("alone", '"string"')
    small.refer(first, *((f"s{n}", f"N{n}", number) for n, number in enumerate(many)))
    small.refer(alone, *((f"s{n}", f"N{n}", number) for n, number in enumerate(many[:4])))
    large = small.register("large", record_of("L", 600_000))
    wire = quick_wire(settings(small.url))
    found = outcome(wire, framed(first, b"\0"), framed(large, b"\0"), framed(alone, b"\0"))
    too_long = "with those that it refers to, it has over 500,000 characters"
    assert refused_as(found)[:2] == [too_long] * 2
    assert "characters" not in refused_as(found)[2]


def test_what_is_kept_of_schemas_is_bounded_whatever_their_number(small: SmallRegistry) -> None:
    numbers = [small.register(f"s{n}", record_of(f"N{n}", 400_000)) for n in range(60)]
    client = SchemaRegistryClient({"url": small.url, "max.retries": 0})
    frames = Frames(Registry(client), ())
    for number in [*numbers[:15], numbers[0]]:
        assert frames.opened(framed(number, bytes(400_000 // 38))).built == {}
        assert 0 < sum(reader.size for reader in frames._readers.values()) <= KEPT_SIZE
    assert 5 < len(frames._readers) < 15
    registry = Registry(client)
    for number in numbers:
        assert registry.kind(number) == "AVRO"
    known = client._cache.schema_id_index[None].values()
    assert 0 < sum(len(schema.schema_str) for _, schema in known) <= client_module.KEPT_TEXT


def test_a_batch_does_not_wait_for_more_references_than_there_is_time_for(
    small: SmallRegistry,
) -> None:
    """The worker would be started again, and stand before the same record."""
    empty = [small.register(f"s{n}", record_of(f"N{n}", 0)) for n in range(30)]
    number = small.register("first", '"string"')
    small.refer(number, *((f"s{n}", f"N{n}", one) for n, one in enumerate(empty)))
    client = SchemaRegistryClient({"url": small.url, "max.retries": 0})
    wire = wire_of(settings(small.url), Registry(client, learn_s=2.0))
    small.slow_s = 0.3
    (late,) = letters(outcome(wire, framed(number, b"\0")))
    assert late.message.endswith("redrive the record")
    small.slow_s = 0.0
    (read,) = letters(outcome(wire, framed(number, b"\2c")))
    assert "redrive" not in read.message, "the next batch asks again"


HALF = "\ud83d"
CLAIM_ID = {"name": "claim_id", "type": "string"}
ODD = [
    {"type": "string", "fields": [1]},
    {"type": "int", "fields": {"a": 1}},
    {"type": "long", "fields": 5},
    {"type": "record", "name": "C", "fields": [CLAIM_ID, {"name": HALF, "type": "null"}]},
    {
        "type": "record",
        "name": "C",
        "fields": [{"name": "claim_id", "type": {"type": "enum", "name": "E", "symbols": [HALF]}}],
    },
]


@pytest.mark.parametrize("schema", ODD)
def test_odd_schemas_are_dead_letters(small: SmallRegistry, schema: dict[str, Any]) -> None:
    number = small.register("odd", json.dumps(schema))
    payload = b"\0" if "symbols" in str(schema) else b"\2c"
    found = outcome(quick_wire(settings(small.url)), b"\0" + number.to_bytes(4, "big") + payload)
    assert [letter.reason for letter in letters(found)] == [Reason.INVALID]


def test_names_of_fields_are_printable_and_bounded(small: SmallRegistry) -> None:
    names = ["a\nb", "x" * 100_000]
    fields = [CLAIM_ID, *({"name": name, "type": "null"} for name in names)]
    number = small.register("odd", json.dumps({"type": "record", "name": "C", "fields": fields}))
    value = b"\0" + number.to_bytes(4, "big") + b"\2c"
    (record,) = outcome(quick_wire(settings(small.url)), value).alerts
    flags = [f for f in alert_of(record).data_quality if f.startswith("unknown_field:")]
    assert flags == ["unknown_field:a\\nb", "unknown_field:" + "x" * 64]


def test_the_limit_leaves_time_for_every_try_of_a_silent_registry() -> None:
    tries = client_module.RETRIES + 1
    waits_s = client_module.RETRIES * client_module.LONGEST_WAIT_MS / 1_000
    assert tries * client_module.TIMEOUT_S + waits_s < client_module.LIMIT_S


def test_credentials(small: SmallRegistry) -> None:
    small.credentials = "scorer:s3cret: with colon"
    own = {"SCHEMA_REGISTRY_USERNAME": "scorer", "SCHEMA_REGISTRY_PASSWORD": "wr0ng"}
    for given_ in ({}, own):
        with pytest.raises(RegistryStoppedError, match="401") as stopped:
            quick_wire(settings(small.url, **given_))
        assert "wr0ng" not in str(stopped.value)
    own["SCHEMA_REGISTRY_PASSWORD"] = "s3cret: with colon"
    number = small.register("claims-value", "{}", "JSON")
    value = b"\0" + number.to_bytes(4, "big") + writing.plain(examples.REAR_END)
    assert outcome(quick_wire(settings(small.url, **own)), value).alerts


def test_tls_both_ways(tmp_path: Path) -> None:
    files = Certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files.sign("registry"))
    context.load_verify_locations(files.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = files.sign("scorer")
    trusts = {"SCHEMA_REGISTRY_TLS_CA": str(files.authority)}
    shows = {
        "SCHEMA_REGISTRY_TLS_CERT": str(certificate),
        "SCHEMA_REGISTRY_TLS_KEY": str(key),
    }
    with small_registry(context=context) as secured:
        assert secured.url.startswith("https://")
        for wanting in (trusts, shows):
            with pytest.raises(RegistryStoppedError, match="connecting"):
                quick_wire(settings(secured.url, **wanting))
        number = secured.register("claims-value", "{}", "JSON")
        value = b"\0" + number.to_bytes(4, "big") + writing.plain(examples.REAR_END)
        assert outcome(quick_wire(settings(secured.url, **trusts, **shows)), value).alerts


def test_a_schema_must_be_there_when_it_may_not_be_registered(url: str) -> None:
    wanted = {"ALERT_FORMAT": "avro", "ALERTS_TOPIC": "governed"}
    with pytest.raises(RegistryStoppedError, match="governed-value"):
        make_wire(settings(url, SCHEMA_REGISTRY_REGISTER="no", **wanted))
    make_wire(settings(url, **wanted))
    make_wire(settings(url, SCHEMA_REGISTRY_REGISTER="no", **wanted))


def test_a_wrong_file_is_refused(small: SmallRegistry) -> None:
    with pytest.raises(SettingsError, match="SCHEMA_REGISTRY_"):
        make_wire(settings(small.url, SCHEMA_REGISTRY_TLS_CA="/no/such/ca.pem"))


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "consumer.registry.alerts",
        "consumer.registry.claims",
        "consumer.registry.client",
    ):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "confluent_kafka.schema_registry", None)
    with pytest.raises(
        SettingsError,
        match=r"^SCHEMA_REGISTRY_URL=.* needs the extra 'registry' \(pip .*extras\.lock\)",
    ):
        make_wire(settings("http://127.0.0.1:9"))
    with pytest.raises(SettingsError, match="needs the extra 'registry'"):
        json_of(settings("http://127.0.0.1:9"))


def test_without_a_registry_the_wire_is_plain() -> None:
    assert make_wire(read_settings({})) is PLAIN
