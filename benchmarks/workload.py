"""The claims and the model every contender gets."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import joblib
import msgspec
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from benchmarks.loops import stock
from model.artifact.manifest import SplitPlan
from model.artifact.store import MODEL_FILE, unpickled
from model.datasets.dataset import Dataset, load
from model.scoring.load import load as load_model
from model.scoring.scorer import Scorer
from model.thresholds import Top
from model.training.train import train, write
from schemas.claim import Claim

DISTINCT: Final = 20_000
"""Different claims; a longer stream repeats them under other ids."""
REFERRED: Final = 0.05
"""Share of the claims at or above the threshold."""
SEED: Final = 1

FIELDS: Final = (
    *("claim_id", "policy_number", "representative_id", "loss_date", "report_date"),
    *("loss_hour", "loss_area", "incident_type", "incident_severity", "fault"),
    *("police_report_filed", "witnesses", "claim_amount", "policy_type", "deductible"),
    *("agent_type", "policy_age_days", "policy_age_at_report_days", "past_claims"),
    *("years_since_address_change", "driver_rating", "vehicles_insured", "vehicle_make"),
    *("vehicle_category", "vehicle_age_years", "vehicle_price", "policyholder_age"),
    *("policyholder_sex", "marital_status", "claimant_phone", "postal_code"),
)
"""About what a first notice of loss holds in the public data sets."""


class Workload(NamedTuple):
    """Encoded claims and the folder of the model."""

    values: list[bytes]
    model: Path
    scorer: Scorer

    @property
    def described(self) -> str:
        """Number of fields and mean size."""
        size = np.mean([len(value) for value in self.values])
        fields = np.mean([len(msgspec.json.decode(v)) for v in self.values[:1_000]])
        return (
            f"synthetic, {size:.0f} bytes and {fields:.0f} fields at the mean, "
            f"{len(self.values):,} different ones repeated under other ids"
        )

    @property
    def model_described(self) -> str:
        """Size of the model."""
        classifier = pipeline_of(self.model)["classify"][-1]
        return (
            f"{self.scorer.name}: {classifier.n_iter_} trees of at most "
            f"{classifier.max_leaf_nodes} leaves over {len(self.scorer.features)} features, "
            f"{REFERRED:.0%} of the claims at or above the threshold"
        )

    def stream(self, count: int) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of this many claims, each with its own id."""
        for i in range(count):
            yield claim_record(self.values, i)


def claim_record(values: Sequence[bytes], i: int) -> tuple[bytes, bytes]:
    """The i-th claim of the stream."""
    place = i % len(values)
    key = b"synthetic-%09d" % i
    return key, values[place].replace(b"synthetic-%09d" % place, key, 1)


def prepare(folder: Path) -> Workload:
    """Generate claims, train the product's model on them, and write its stock form next to it."""
    full = load("synthetic", "jsonl", seed=SEED, rows=DISTINCT)
    kept = tuple(_kept(claim) for claim in full.claims)
    dataset = dataclasses.replace(full, claims=kept)
    model = folder / "model"
    scorer = _train(dataset, model)
    joblib.dump(_stock_form(scorer, pipeline_of(model), kept), model / stock.MODEL_FILE)
    return Workload([msgspec.json.encode(claim) for claim in kept], model, scorer)


def _kept(claim: Claim) -> Claim:
    return Claim(**{name: getattr(claim, name) for name in FIELDS})


def _train(dataset: Dataset, model: Path) -> Scorer:
    contract = dataset.contract
    # Categories first: the order a stock ColumnTransformer gives its columns.
    features = sorted(contract.features(), key=lambda name: not contract.is_category(name))
    plan = SplitPlan(kind="time", test_size=0.5, seed=SEED)
    trained = train(
        dataset, "gradient_boosting", plan, features=features, policy=Top(share=REFERRED)
    )
    write(trained, model, created_at=dt.datetime.now(dt.UTC))
    return load_model(model)


def pipeline_of(model: Path) -> Any:
    """The fitted pipeline of an artifact, which the product itself does not need to score."""
    return unpickled((model / MODEL_FILE).read_bytes())


def _stock_form(scorer: Scorer, fitted: Any, claims: Sequence[Claim]) -> Pipeline:
    """The same fitted trees behind scikit-learn's own transformers.

    Raises:
        ValueError: it does not score the claims as the product does.
    """
    frame = stock.frame_of([msgspec.json.decode(msgspec.json.encode(c)) for c in claims])
    names = list(scorer.features)
    categories = [name for name in names if scorer.contract.is_category(name)]
    encoder = OrdinalEncoder(
        categories=[_spellings(frame[name]) for name in categories],
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        encoded_missing_value=np.nan,
    )
    numbers = names[len(categories) :]
    prepare = ColumnTransformer(
        [("categories", encoder, categories), ("numbers", "passthrough", numbers)]
    ).fit(frame)
    pipeline = Pipeline([("prepare", prepare), ("classify", fitted["classify"])])
    if not np.array_equal(pipeline.predict_proba(frame)[:, 1], scorer.score(claims)):
        raise ValueError("the stock form of the model scores differently")
    return pipeline


def _spellings(column: "pd.Series[str]") -> list[Any]:
    known: list[Any] = sorted(column.dropna().unique(), key=str.casefold)
    return [*known, np.nan] if column.hasnans else known
