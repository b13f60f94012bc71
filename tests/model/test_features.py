"""The shared encoder, with scikit-learn's stock transformers as the oracle."""

import unicodedata
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OrdinalEncoder

from model.features.encoder import ClaimEncoder, claim_frame, varying
from model.features.facts import Column, claim_columns
from schemas.expressions.spelling import clean
from tests.model.examples import AUTO, dataset

CATEGORIES = ("fault", "vehicle_make")
NUMBERS = ("claim_amount", "past_claims", "report_lag_days", "police_report_filed")
NAMES = CATEGORIES + NUMBERS

# Spelt the way the encoder cleans them: the oracle knows nothing of cleaning.
words = st.none() | st.sampled_from(["ann", "bob", "cyd", "dan"])
figures = st.none() | st.integers(-1000, 1000).map(lambda n: n / 4)
rows = st.lists(st.tuples(words, words, figures, figures, figures, st.none() | st.booleans()))


def columns_of(table: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {name: [row[i] for row in table] for i, name in enumerate(NAMES)}


def frame_of(columns: dict[str, list[Any]]) -> pd.DataFrame:
    text = {name: pd.Series(columns[name], dtype="str") for name in CATEGORIES}
    figure = {name: pd.Series(columns[name], dtype="float64") for name in NUMBERS}
    return pd.DataFrame(text | figure)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(train=rows.filter(bool), test=rows.filter(bool))
def test_the_matrix_is_the_ordinal_encoders(
    train: list[tuple[Any, ...]], test: list[tuple[Any, ...]]
) -> None:
    seen, new = columns_of(train), columns_of(test)
    stock = ColumnTransformer(
        [
            ("c", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES),
            ("n", "passthrough", NUMBERS),
        ]
    ).fit(frame_of(seen))
    ours = ClaimEncoder(NAMES, CATEGORIES).fit(seen)
    expected = stock.transform(frame_of(new))
    for i, name in enumerate(CATEGORIES):
        if None not in seen[name]:  # the stock encoder then takes missing for one more unknown
            expected[[value is None for value in new[name]], i] = np.nan
    np.testing.assert_array_equal(ours.transform(new), expected)


@pytest.mark.parametrize("dtype", [None, "object", "nullable", "string[python]", "category"])
def test_a_frame_and_a_mapping_encode_to_the_same_bits(dtype: str | None) -> None:
    claims = dataset().claims
    columns, frame = claim_columns(AUTO, claims, NAMES), claim_frame(AUTO, claims, NAMES)
    if dtype == "nullable":
        frame = frame.convert_dtypes()
    elif dtype == "object":
        frame = frame.astype(object)
    elif dtype is not None:
        frame = frame.astype(dict.fromkeys(CATEGORIES, dtype))
    by_frame = ClaimEncoder(NAMES, CATEGORIES).fit(frame)
    by_mapping = ClaimEncoder(NAMES, CATEGORIES).fit(columns)
    expected = by_mapping.transform(columns).tobytes()
    assert by_frame.transform(frame).tobytes() == expected
    assert by_frame.transform(columns).tobytes() == expected
    assert by_mapping.transform(frame).tobytes() == expected


def test_a_batch_encodes_as_its_claims_one_by_one() -> None:
    claims = dataset().claims
    encoder = ClaimEncoder(NAMES, CATEGORIES).fit(claim_columns(AUTO, claims, NAMES))
    whole = encoder.transform(claim_columns(AUTO, claims[:50], NAMES))
    single = [encoder.transform(claim_columns(AUTO, [c], NAMES))[0] for c in claims[:50]]
    np.testing.assert_array_equal(whole, np.array(single))


def test_an_unknown_category_is_not_a_missing_one() -> None:
    fitted = ClaimEncoder(["fault"], ["fault"]).fit({"fault": ["a", "b"]})
    codes = fitted.transform({"fault": ["a", "b", "new", None, float("nan"), "  "]})
    np.testing.assert_array_equal(codes[:, 0], [0, 1, -1, np.nan, np.nan, np.nan])
    assert list(fitted.get_feature_names_out()) == ["fault"]


def test_spelling_does_not_make_a_category() -> None:
    fitted = ClaimEncoder(["fault"], ["fault"]).fit({"fault": ["Third Party", "Policy Holder"]})
    assert fitted.categories() == {"fault": ("policy holder", "third party")}
    codes = fitted.transform({"fault": ["third  party ", "THIRD PARTY", "Third Party"]})
    assert codes[:, 0].tolist() == [1, 1, 1]


SPELLINGS = {
    "composed": "Škoda Citroën",
    "decomposed": unicodedata.normalize("NFD", "Škoda Citroën"),
    "capitals": unicodedata.normalize("NFD", "ŠKODA CITROËN"),
    "full width": "\uff22\uff2d\uff37\u3000\uff11",
    "half width": "BMW 1",
    "ligature": "ﬁre\N{NO-BREAK SPACE}brigade",
    "letters": "Fire brigade",
}


@pytest.mark.parametrize(
    ("learnt", "served"),
    [
        ("composed", "decomposed"),
        ("decomposed", "composed"),
        ("composed", "capitals"),
        ("capitals", "composed"),
        ("full width", "half width"),
        ("half width", "full width"),
        ("ligature", "letters"),
        ("letters", "ligature"),
    ],
)
def test_unicode_has_one_spelling_for_a_category(learnt: str, served: str) -> None:
    fitted = ClaimEncoder(["vehicle_make"], ["vehicle_make"]).fit(
        {"vehicle_make": [SPELLINGS[learnt], "Ford"]}
    )
    codes = fitted.transform({"vehicle_make": [SPELLINGS[served], SPELLINGS[learnt], "Seat"]})
    known = codes[0, 0]
    assert codes[:, 0].tolist() == [known, known, -1]
    assert known >= 0


@given(st.text(max_size=20))
def test_cleaning_what_is_clean_changes_nothing(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert clean(unicodedata.normalize("NFD", text)) == once


def test_the_rarest_categories_beyond_the_limit_are_unknown() -> None:
    values = ["a"] * 3 + ["b"] * 2 + ["d", "c"]
    fitted = ClaimEncoder(["fault"], ["fault"], max_categories=3).fit({"fault": values})
    assert fitted.categories() == {"fault": ("a", "b", "c")}
    assert fitted.transform({"fault": ["d"]})[0, 0] == -1


def test_the_encoder_can_be_cloned_and_asks_only_for_its_features() -> None:
    fitted = ClaimEncoder(["witnesses"], max_categories=9).fit({"witnesses": [1, 2]})
    again = clone(fitted).fit({"witnesses": [1, 2], "fault": [object(), None]})
    assert again.transform({"witnesses": [1.5]}).tolist() == [[1.5]]
    assert again.max_categories == 9
    with pytest.raises(KeyError, match="witnesses"):
        fitted.transform({"fault": ["a"]})


def test_columns_that_never_vary_are_found() -> None:
    columns: dict[str, Column] = {
        "fault": ["a", "a"],
        "loss_area": ["a", None],
        "witnesses": [None, None],
    }
    assert varying(columns, ["fault", "loss_area"]) == ("loss_area",)
