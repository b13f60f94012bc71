"""Keyed hashes of entities: equal for the same name, kind and key, and for nothing else."""

import base64
import hashlib
from pathlib import Path

import pytest

from model.history.keys import (
    HASH_BYTES,
    SECRET_BYTES,
    ClaimKeys,
    KeyMaker,
    SecretError,
    fingerprint,
    hasher,
    read_secret,
)
from model.history.plan import kinds_in
from schemas.contract.model import Contract
from schemas.decoding.decoder import ClaimDecoder
from tests.schemas.contracts import small

SECRET, ANOTHER = b"k" * SECRET_BYTES, b"l" * SECRET_BYTES
PHONE = {"type": "string", "x-role": "personal", "x-entity": {"kind": "phone", "form": "phone"}}
GARAGE = {"kind": "garage", "like": "business", "form": "code"}
CONTRACT: Contract = small(
    {
        "policy": {"type": "string", "x-role": "identifier"},
        "phone": PHONE,
        "garage": {"type": "string", "x-role": "feature", "x-entity": GARAGE},
        "witness": PHONE,
    },
    x_event={"id": "claim_no", "key": "policy"},
)


def keys(event: bytes, secret: bytes = SECRET) -> ClaimKeys:
    return KeyMaker(CONTRACT, secret).keys(ClaimDecoder(CONTRACT).decode(event))


def test_keys_of_a_claim() -> None:
    event = (
        b'{"claim_no": "1", "policy": "P-1", "phone": "+49 170 555123", "garage": "G 7",'
        b' "witness": "0049 170 555124"}'
    )
    phone, garage = hasher(SECRET, "phone"), hasher(SECRET, "garage")
    assert [kind.kind for kind in kinds_in(CONTRACT)] == ["phone", "garage"]
    assert keys(event) == ClaimKeys(
        policy=hasher(SECRET, "")("P-1"),
        entities=((0, phone("49170555123")), (1, garage("g7")), (0, phone("49170555124"))),
    )


def test_names_of_businesses_are_kept_by_field() -> None:
    """The same name of another kind is another business, however often both were seen."""
    broker = {"kind": "broker", "like": "business", "form": "code"}
    contract = small(
        {
            "garage": {"type": "string", "x-role": "feature", "x-entity": GARAGE},
            "broker": {"type": "string", "x-role": "feature", "x-entity": broker},
        }
    )
    maker, decode = KeyMaker(contract, SECRET), ClaimDecoder(contract).decode
    for name in ("G 7", "G 8", "-", "G 7", "G 8", "-"):
        found = maker.keys(
            decode(b'{"claim_no": "1", "garage": "%s", "broker": "%s"}' % ((name.encode(),) * 2))
        )
        normal = name.replace(" ", "").lower()
        assert found.entities == (
            ()
            if name == "-"
            else ((0, hasher(SECRET, "garage")(normal)), (1, hasher(SECRET, "broker")(normal)))
        )


def test_what_names_nobody_has_no_key_and_one_entity_has_one() -> None:
    event = b'{"claim_no": "1", "phone": "+49170555123", "witness": "0049 170 555 123"}'
    assert keys(event) == ClaimKeys(None, ((0, hasher(SECRET, "phone")("49170555123")),))
    assert keys(b'{"claim_no": "1", "phone": "n/a", "garage": "-"}') == ClaimKeys(None, ())


def test_a_hash_depends_on_name_kind_and_key() -> None:
    one = hasher(SECRET, "phone")("49170555123")
    assert len(one) == HASH_BYTES
    assert one == hasher(SECRET, "phone")("49170555123")
    others = [
        hasher(SECRET, "phone")("49170555124"),
        hasher(SECRET, "garage")("49170555123"),
        hasher(SECRET, "")("49170555123"),
        hasher(ANOTHER, "phone")("49170555123"),
        # Where the kind ends is part of what is hashed.
        hasher(SECRET, "phon")("e49170555123"),
        hasher(SECRET, "phon")("e\x0049170555123"),
        hashlib.blake2b(b"phone\x0049170555123", digest_size=HASH_BYTES).digest(),
    ]
    assert len({one, *others}) == 8


def test_a_fingerprint_tells_keys_apart() -> None:
    assert fingerprint(SECRET) == fingerprint(SECRET)
    assert fingerprint(SECRET) != fingerprint(ANOTHER)
    assert len(fingerprint(SECRET)) == 16


def test_the_key_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(base64.b64encode(SECRET) + b"\n")
    path.chmod(0o600)
    assert read_secret(path) == SECRET


@pytest.mark.parametrize(
    "content", [b"", b"secret", base64.b64encode(b"k" * 31), base64.b64encode(b"k" * 33), b"\xff"]
)
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(SecretError, match="openssl rand -base64 32"):
        read_secret(path)


def test_a_key_that_anyone_may_write_to_or_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(SecretError, match="No such file"):
        read_secret(path)
    path.write_bytes(base64.b64encode(SECRET))
    path.chmod(0o666)
    with pytest.raises(SecretError, match="anyone on this machine can write"):
        read_secret(path)
    with pytest.raises(SecretError, match="32 bytes"):
        KeyMaker(CONTRACT, b"short")
