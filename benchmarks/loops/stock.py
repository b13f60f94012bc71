"""Scoring as it is usually written: json, a DataFrame and a stock scikit-learn pipeline."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import joblib
import pandas as pd

MODEL_FILE: Final = "stock.joblib"
DATES: Final = ("loss_date", "report_date")

TEXT: Final = (
    *("loss_area", "incident_type", "incident_severity", "fault", "policy_type", "agent_type"),
    *("vehicle_make", "vehicle_category"),
)
NUMBERS: Final = (
    *("loss_hour", "police_report_filed", "witnesses", "claim_amount", "deductible"),
    *("policy_age_days", "policy_age_at_report_days", "past_claims"),
    *("years_since_address_change", "driver_rating", "vehicles_insured", "vehicle_age_years"),
    "vehicle_price",
)


def frame_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Decoded claims as a DataFrame with the features that follow from the dates."""
    frame = pd.DataFrame(rows, columns=[*DATES, *TEXT, *NUMBERS])
    frame = frame.astype({**dict.fromkeys(TEXT, "str"), **dict.fromkeys(NUMBERS, "float64")})
    lost, reported = (pd.to_datetime(frame[name], format="%Y-%m-%d") for name in DATES)
    frame["report_lag_days"] = (reported - lost).dt.days.astype("float64")
    frame["loss_weekday"] = lost.dt.weekday.astype("float64")
    frame["loss_weekend"] = (lost.dt.weekday >= 5).astype("float64")
    frame["report_weekday"] = reported.dt.weekday.astype("float64")
    frame["report_weekend"] = (reported.dt.weekday >= 5).astype("float64")
    return frame


class StockModel:
    """Bytes of claims in, bytes of alerts out, one predict a call."""

    def __init__(self, folder: Path) -> None:
        self._pipeline = joblib.load(folder / MODEL_FILE)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self._threshold = float(manifest["levels"]["threshold"])
        self._model = {"model": manifest["name"], "model_version": manifest["version"]}

    def __call__(self, values: Sequence[bytes]) -> list[bytes]:
        """One alert for each claim."""
        rows = [json.loads(value) for value in values]
        probabilities = self._pipeline.predict_proba(frame_of(rows))[:, 1].tolist()
        return [
            json.dumps(
                {
                    "claim_id": row["claim_id"],
                    "policy_number": row.get("policy_number"),
                    "loss_date": row.get("loss_date"),
                    "fraud_probability": probability,
                    "fraudulent": probability >= self._threshold,
                    "threshold": self._threshold,
                    **self._model,
                }
            ).encode()
            for row, probability in zip(rows, probabilities, strict=True)
        ]
