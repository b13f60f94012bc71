"""Flags on the quality of claims' data."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.features.data_quality import DataQuality

NAN = float("nan")
NAMES = [f"f{i}" for i in range(11)]
EXPECTED = frozenset(NAMES[::2])
CATEGORIES: dict[str, Any] = dict.fromkeys(NAMES[5:], ())


def test_flags_of_data_quality() -> None:
    codes = np.array([[1.0, -1.0, NAN, NAN], [NAN, NAN, 2.0, -1.0], [0.0, 0.0, -1.0, 1.0]])
    names = ["fault", "vehicle_make", "policy_age_days", "witnesses"]
    categories: dict[str, Any] = {"fault": ("a", "b"), "vehicle_make": ("x",)}
    found = DataQuality(names, frozenset({"fault", "witnesses"}), categories).flags(codes)
    assert found == [
        ("unknown_category:vehicle_make", "missing:witnesses"),
        ("missing:fault",),
        (),  # -1 is a number of days there
    ]


def plainly(row: list[float]) -> tuple[str, ...]:
    """The flags of a claim, column by column."""
    flags = []
    for name, code in zip(NAMES, row, strict=True):
        if np.isnan(code) and name in EXPECTED:
            flags.append(f"missing:{name}")
        if code == -1 and name in CATEGORIES:
            flags.append(f"unknown_category:{name}")
    return tuple(flags)


ROWS = st.lists(
    st.lists(st.sampled_from([0.0, 1.0, -1.0, NAN]), min_size=len(NAMES), max_size=len(NAMES)),
    min_size=1,
    max_size=20,
)


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_flags_are_those_of_each_claim_by_itself(batches: list[list[list[float]]]) -> None:
    quality = DataQuality(NAMES, EXPECTED, CATEGORIES)
    for rows in batches:  # the same object, as it remembers
        assert quality.flags(np.array(rows)) == [plainly(row) for row in rows]


def test_what_is_remembered_is_bounded() -> None:
    quality = DataQuality(NAMES, EXPECTED, CATEGORIES, remembered=3)
    rows = np.where(np.eye(len(NAMES)) == 1, NAN, 0.0)
    sizes = []
    for row in rows:
        assert quality.flags(row[np.newaxis]) == [plainly(row.tolist())]
        sizes.append(len(quality._known))
    assert max(sizes) == 3
