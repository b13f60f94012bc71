"""Synthetic events of other lines: many providers, own forms, and findings that come late."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest

from model.samples import dwellings, health
from schemas.decoding.rows import LabelReader, at
from tests.schemas.contracts import decoder, shipped

GENERATORS: dict[str, Any] = {"health": health.generate, "property": dwellings.generate}
ENTITIES = {"health": "provider_id", "property": "contractor"}
TIMES = {"health": "service_date", "property": "lost_on"}


@pytest.fixture(scope="module", params=GENERATORS)
def sample(request: pytest.FixtureRequest) -> tuple[str, list[Any], list[bool | None]]:
    """Name of the line, its claims, their labels."""
    name: str = request.param
    events = GENERATORS[name](6_000, 7)
    claims = [decoder(name).decode(msgspec.json.encode(event)) for event in events]
    labels = LabelReader(shipped(name))
    return name, claims, [labels.read(at(e, shipped(name).label_path)) for e in events]


def test_the_same_seed_gives_the_same_events() -> None:
    for generate in GENERATORS.values():
        assert generate(50, 1) == generate(50, 1)
        assert generate(50, 1) != generate(50, 2)


def test_there_are_many_providers(sample: tuple[str, list[Any], list[bool | None]]) -> None:
    name, claims, _ = sample
    assert len({getattr(claim, ENTITIES[name]) for claim in claims}) >= 200


def test_every_field_is_there_and_varies(
    sample: tuple[str, list[Any], list[bool | None]],
) -> None:
    name, claims, _ = sample
    for field in shipped(name).fields:
        assert len({getattr(claim, field) for claim in claims}) > 1, field


def test_a_few_providers_have_most_of_the_fraud(
    sample: tuple[str, list[Any], list[bool | None]],
) -> None:
    name, claims, labels = sample
    frauds = Counter(
        getattr(c, ENTITIES[name]) for c, label in zip(claims, labels, strict=True) if label
    )
    total = sum(frauds.values())
    assert 0.015 < total / len(claims) < 0.08
    assert sum(n for _, n in frauds.most_common(10)) > 0.3 * total


def test_what_happened_last_is_not_known_yet(
    sample: tuple[str, list[Any], list[bool | None]],
) -> None:
    name, claims, labels = sample
    order = np.argsort([getattr(c, TIMES[name]).toordinal() for c in claims], kind="stable")
    known = np.array([labels[i] is not None for i in order])
    assert known[:3_000].mean() > 0.99
    assert known[-200:].mean() < 0.9
    frauds = [i for i in order if labels[i]]
    honest = [i for i in order if labels[i] is False]
    last = max(getattr(claims[i], TIMES[name]) for i in honest)
    assert (last - max(getattr(claims[i], TIMES[name]) for i in frauds)).days > 14
