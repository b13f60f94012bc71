"""What fields name: which declarations are refused, and the one form of a name."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.__main__ import main
from schemas.contract.errors import ContractError
from schemas.entities.declared import Entity
from schemas.entities.normal import LEAST, PLACEHOLDERS, normaliser
from tests.schemas.contracts import shipped, small

TEXT: dict[str, Any] = {"type": "string", "x-role": "personal"}
PHONE = {"kind": "phone", "form": "phone", "country": "44"}


def named(entity: Any, **more: Any) -> dict[str, Any]:
    """A personal text that names an entity."""
    return {**TEXT, "x-entity": entity, **more}


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"a": named({"kind": "phone"}, type="number")}, r"a\.x-entity: a number names no entity"),
        ({"a": named({"kind": "sex"}, **{"x-role": "protected"})}, r"a\.x-entity: protected, and"),
        ({"a": named({"kind": "A phone"})}, r"a\.x-entity"),
        ({"a": named({"kind": "phone", "like": "thing"})}, r"a\.x-entity"),
        ({"a": named({"kind": "phone", "country": "+44"})}, r"a\.x-entity"),
        ({"a": named({"kind": "code", "country": "44"})}, r"x-entity\.country: is for form: phone"),
        ({"a": named({"kind": "phone", "lke": "person"})}, r"has no member lke"),
        (
            {"a": named(PHONE), "b": named({"kind": "phone", "form": "code"})},
            r"b\.x-entity: a names a phone by another like, form or country",
        ),
        (
            {"claim_no": {"type": "string", "x-role": "identifier", "x-entity": {"kind": "own"}}},
            r"claim_no\.x-entity: is the claim's id",
        ),
    ],
)
def test_declarations_that_are_refused(properties: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        small(properties)


def test_entities_are_those_declared_and_not_those_named_only() -> None:
    contract = small({"a": named(PHONE), "b": named({**PHONE, "stop": ["x"]}), "c": named("mail")})
    assert list(contract.entities) == ["a", "b"]
    assert contract.entities["a"] == Entity(kind="phone", form="phone", country="44")
    assert contract.entities["a"].like == "person"
    assert contract.fields["c"].said.entity == "mail"


def test_shipped_contracts_name_entities() -> None:
    found = {n: {e.kind: e.like for e in shipped(n).entities.values()} for n in ("health", "auto")}
    assert found["health"] == {"member": "person", "provider": "business"}
    assert found["auto"] == dict.fromkeys(("policy", "phone", "email"), "person")


@pytest.mark.parametrize(
    ("entity", "texts"),
    [
        (Entity("phone", form="phone", country="44"),
         ["020 7946 0123", "+44 20 7946 0123", "+44 (0)20 79460123", "0044-20-7946-0123",
          "(+44) 20.7946.0123", "２０ 7946 0123"]),
        (Entity("phone", form="phone", country="44"),
         ["020 7946 0123", "tel:+44-20-7946-0123", "Tel. +44 20 7946 0123",
          "T (0044) 20 79460123"]),
        (Entity("phone", form="phone", country="1"),
         ["(202) 555-0173", "1-202-555-0173", "+1 202 555 0173"]),
        (Entity("phone", form="phone"), ["+49 170 1234599", "0049 1701234599"]),
        (Entity("account", form="code"), ["DE89 3704 0044 0532 0130 00", "de89370400440532013000"]),
        (Entity("mail", form="email"), [" Ada@Example.org", "ada@example.ORG"]),
        (Entity("name"), ["Müller  &  Sons", "müller, sons", "MÜLLER / Sons."]),
        (Entity("name"), ["İsmail Usta", "i\u0307smail usta", "Ismail  USTA"]),
        (Entity("name"), ["محمد علي", "مُحَمَّد عَلِي"]),
        (Entity("name"), ["कि\u200dरण", "किरण", "कि\ufe0fरण"]),
    ],
)  # fmt: skip
def test_one_name_in_several_spellings(entity: Entity, texts: list[str]) -> None:
    normal = normaliser(entity)
    assert len({normal(text) for text in texts}) == 1
    assert normal(texts[0])


@pytest.mark.parametrize(
    ("entity", "one", "other"),
    [
        (Entity("phone", form="phone", country="44"), "020 7946 0123", "+33 20 7946 0123"),
        (Entity("phone", form="phone", country="1"), "202 555 0173", "203 555 0173"),
        (Entity("name"), "Jan Smith", "Jane Smith"),
        (Entity("name"), "Jan Smith", "Smith Jan"),
        (Entity("name"), "Muller", "Müller"),
        (Entity("account", form="code"), "AB-123", "AB-1234"),
        *(
            (Entity("name", form=form), *names)
            for form in ("text", "code")
            for names in (
                ("मीना मोटर्स", "मोना मोटर्स"),
                ("สมชาย", "สิมชาย"),
                ("กา", "ก่า"),
                ("រូប", "រាប"),
                ("ರಾಮ", "ರಮ"),
            )
        ),
    ],
)
def test_similar_names_are_not_one(entity: Entity, one: str, other: str) -> None:
    normal = normaliser(entity)
    assert normal(one) != normal(other)


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        *((Entity("phone", form="phone", country="44"), text) for text in (
            "", "n/a", "0000000000", "+44 0000 000000", "12345", "0123456789", "+44 123456789",
            "9876543210", "Unknown", "none", "-", "07946 0000 stop")),
        *((Entity("account", form="code"), text) for text in ("xx", "XXXX-XXXX", "None", "234567")),
        *((Entity("mail", form="email"), text) for text in ("ada", "@b.org", "a@", "a b@c.org")),
        *((Entity("name"), text) for text in ("--", "AA", "aaaa", "not known", " N.A. ")),
    ],
)  # fmt: skip
def test_what_names_nobody(entity: Entity, text: str) -> None:
    stopping = Entity(entity.kind, form=entity.form, country=entity.country, stop=("07946 0000",))
    assert normaliser(stopping)(text) is None


def test_a_business_may_have_a_short_number() -> None:
    normal = normaliser(Entity("garage", like="business", form="code"))
    assert [normal(text) for text in ("7", "11", "123", "000", "-", "n/a", "123456")] == [
        *("7", "11", "123", None, None, None, None)
    ]


def test_a_stop_text_stops_in_every_spelling() -> None:
    entity = Entity("phone", form="phone", country="44", stop=("020 7946 0123",))
    assert normaliser(entity)("+44 20 7946-0123") is None
    assert normaliser(entity)("+44 20 7946-0124") == "442079460124"


@given(
    st.text(max_size=40),
    st.sampled_from(["text", "code", "phone", "email"]),
    st.sampled_from([None, "1", "44"]),
)
def test_normal_forms_are_long_enough_printable_and_their_own(
    text: str, form: Any, country: str | None
) -> None:
    normal = normaliser(Entity("x", form=form, country=country if form == "phone" else None))
    found = normal(text)
    if found is None:
        return
    assert len(found.replace(" ", "")) >= LEAST[form]
    assert found.isprintable()
    if form != "phone":
        assert normal(found) == found
    assert found not in PLACEHOLDERS


CONTRACT = """
title: Small claims
x-contract: {name: small, version: 1, line_of_business: none}
x-event: {id: claim_no}
required: [claim_no]
properties:
  claim_no: {type: string, x-role: identifier}
  phone:    {type: string, x-role: personal, x-entity: {kind: phone, form: phone}}
  witness:  {type: string, x-role: personal, x-entity: {kind: phone, form: phone}}
  garage:   {type: string, x-role: feature, x-entity: {kind: garage, like: business}}
  broker:   {type: string, x-role: feature, x-entity: broker}
"""


def test_check_says_what_history_would_be_kept_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract, data = tmp_path / "claims.yaml", tmp_path / "claims.csv"
    contract.write_text(CONTRACT)
    rows = ["a,+49 170 555123,0049170555123,Smith,", "b,+49170555123,n/a,SMITH,", "c,,,Jones,"]
    data.write_text("\n".join(["claim_no,phone,witness,garage,broker", *rows]))
    assert main(["check", "--contract", str(contract), "--data", str(data)]) == 0
    shown = capsys.readouterr().out
    found = [" ".join(line.split()) for line in shown.splitlines()]
    at = found.index("entities: kind, like, form, fields, values")
    assert found[at + 1 :] == [
        "phone person phone from phone, witness; named in 2 claims, 1 different, the commonest "
        "in 2; 1 text names nobody",
        "garage business text from garage; named in 3 claims, 2 different, the commonest in 2; "
        "0 texts name nobody",
        "x-entity that is a name only, which history does not remember: broker; such as x-entity: "
        "{kind: broker, like: person} would be remembered",
    ]
    assert "555123" not in shown
