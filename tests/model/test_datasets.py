import csv
import datetime as dt
import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest

from model.datasets import dataset as datasets
from model.datasets.dataset import Dataset, DatasetError
from schemas.claim import Claim
from tests.model.sources import shared

CAR = {
    "Month": "Dec", "WeekOfMonth": "5", "DayOfWeek": "Wednesday", "Make": "Honda",
    "AccidentArea": "Urban", "DayOfWeekClaimed": "Tuesday", "MonthClaimed": "Jan",
    "WeekOfMonthClaimed": "1", "Sex": "Female", "MaritalStatus": "Widow", "Age": "21",
    "Fault": "Policy Holder", "PolicyType": "Sport - Liability", "VehicleCategory": "Sport",
    "VehiclePrice": "more than 69000", "FraudFound_P": "0", "PolicyNumber": "1", "RepNumber": "12",
    "Deductible": "300", "DriverRating": "1", "Days_Policy_Accident": "more than 30",
    "Days_Policy_Claim": "8 to 15", "PastNumberOfClaims": "none", "AgeOfVehicle": "3 years",
    "AgeOfPolicyHolder": "26 to 30", "PoliceReportFiled": "No", "WitnessPresent": "Yes",
    "AgentType": "External", "NumberOfSuppliments": "none", "AddressChange_Claim": "1 year",
    "NumberOfCars": "3 to 4", "Year": "1994", "BasePolicy": "Liability",
}  # fmt: skip
INSURANCE = {
    "months_as_customer": "328", "age": "48", "policy_number": "521585",
    "policy_bind_date": "10/17/2014", "policy_state": "OH", "policy_csl": "250/500",
    "policy_deductable": "1000", "policy_annual_premium": "1406.91", "umbrella_limit": "0",
    "insured_zip": "466132", "insured_sex": "MALE", "insured_education_level": "MD",
    "insured_occupation": "craft-repair", "insured_hobbies": "sleeping",
    "insured_relationship": "husband", "capital-gains": "53300", "capital-loss": "-200",
    "incident_date": "1/25/2015", "incident_type": "Single Vehicle Collision",
    "collision_type": "?", "incident_severity": "Major Damage", "authorities_contacted": "None",
    "incident_state": "SC", "incident_city": "Columbus", "incident_location": "9935 4th Drive",
    "incident_hour_of_the_day": "5", "number_of_vehicles_involved": "1", "property_damage": "?",
    "bodily_injuries": "1", "witnesses": "2", "police_report_available": "YES",
    "total_claim_amount": "71610", "injury_claim": "6510", "property_claim": "13020",
    "vehicle_claim": "52080", "auto_make": "Suburu", "auto_model": "92x", "auto_year": "2004",
    "fraud_reported": "Y", "_c39": "",
}  # fmt: skip


def written(path: Path, rows: list[dict[str, str]]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def one(tmp_path: Path, format: str, row: dict[str, str]) -> Claim:
    (claim,) = datasets.load(written(tmp_path / "one.csv", [row]), format).claims
    assert isinstance(claim, Claim)
    return claim


def car(tmp_path: Path, **changes: str) -> Claim:
    return one(tmp_path, "carclaims", CAR | changes)


def test_carclaims_row_becomes_a_claim(tmp_path: Path) -> None:
    assert car(tmp_path) == Claim(
        claim_id="carclaims-000001",
        policy_number="1",
        representative_id="12",
        loss_date=dt.date(1994, 12, 28),
        report_date=dt.date(1995, 1, 3),
        loss_area="urban",
        fault="policyholder",
        police_report_filed=False,
        witnesses=1,
        policy_type="liability",
        deductible=300.0,
        agent_type="external",
        policy_age_days=45.0,
        policy_age_at_report_days=11.5,
        past_claims=0.0,
        years_since_address_change=1.0,
        driver_rating=1,
        vehicles_insured=3.5,
        vehicle_make="Honda",
        vehicle_category="sport",
        vehicle_age_years=3.0,
        vehicle_price=80_000.0,
        driver_age=21.0,
        policyholder_age=28.0,
        policyholder_sex="female",
        marital_status="widowed",
    )


@pytest.mark.parametrize(
    ("column", "text", "field", "value"),
    [
        ("VehiclePrice", "20000 to 29000", "vehicle_price", 24_500.0),
        ("PastNumberOfClaims", "2 to 4", "past_claims", 3.0),
        ("AddressChange_Claim", "under 6 months", "years_since_address_change", 0.5),
        ("AddressChange_Claim", "no change", "years_since_address_change", None),
        ("AgeOfVehicle", "new", "vehicle_age_years", 0.0),
        ("AgeOfVehicle", "more than 7", "vehicle_age_years", 9.0),
        ("Days_Policy_Accident", "none", "policy_age_days", 0.0),
        ("Make", "Accura", "vehicle_make", "Acura"),
        ("Make", "Porche", "vehicle_make", "Porsche"),
        ("Make", "Nisson", "vehicle_make", "Nissan"),
        ("Make", "Mecedes", "vehicle_make", "Mercedes"),
        ("Make", "VW", "vehicle_make", "Volkswagen"),
        ("PoliceReportFiled", "Yes", "police_report_filed", True),
        ("Age", "0", "driver_age", None),
        ("Age", "0", "policyholder_age", None),
    ],
)
def test_carclaims_bands_and_spelling(
    tmp_path: Path, column: str, text: str, field: str, value: object
) -> None:
    assert getattr(car(tmp_path, **{column: text}), field) == value


def test_carclaims_week_five_without_that_weekday_is_the_last_one(tmp_path: Path) -> None:
    # Week 5 of February 1994 has no day at all; its last Monday is the 28th.
    claim = car(tmp_path, Month="Feb", WeekOfMonth="5", DayOfWeek="Monday")
    assert claim.loss_date == dt.date(1994, 2, 28)


def test_carclaims_report_of_an_earlier_month_is_of_the_next_year(tmp_path: Path) -> None:
    claim = car(tmp_path, MonthClaimed="Mar", WeekOfMonthClaimed="2")
    assert (claim.loss_date, claim.report_date) == (dt.date(1994, 12, 28), dt.date(1995, 3, 14))


def test_carclaims_report_is_never_before_the_loss(tmp_path: Path) -> None:
    # January 1994 starts on a Saturday: as written, the report would be on Saturday the 1st.
    claim = car(
        tmp_path,
        **{"Month": "Jan", "WeekOfMonth": "1", "DayOfWeek": "Monday"},
        **{"MonthClaimed": "Jan", "WeekOfMonthClaimed": "1", "DayOfWeekClaimed": "Saturday"},
    )
    assert (claim.loss_date, claim.report_date) == (dt.date(1994, 1, 3), dt.date(1994, 1, 8))


def test_carclaims_unknown_month_of_report_keeps_the_rest(tmp_path: Path) -> None:
    claim = car(tmp_path, MonthClaimed="0", DayOfWeekClaimed="0")
    assert claim.report_date is None
    assert claim.loss_date == dt.date(1994, 12, 28)


def test_insurance_row_becomes_a_claim(tmp_path: Path) -> None:
    assert one(tmp_path, "insurance_claims", INSURANCE) == Claim(
        claim_id="insurance-claims-000001",
        policy_number="521585",
        loss_date=dt.date(2015, 1, 25),
        policy_start_date=dt.date(2014, 10, 17),
        loss_hour=5,
        loss_state="SC",
        loss_city="Columbus",
        loss_location="9935 4th Drive",
        incident_type="single vehicle collision",
        incident_severity="major damage",
        authorities_contacted="none",
        police_report_filed=True,
        witnesses=2,
        vehicles_involved=1,
        bodily_injuries=1,
        claim_amount=71_610.0,
        injury_amount=6_510.0,
        property_amount=13_020.0,
        vehicle_amount=52_080.0,
        policy_state="OH",
        liability_limit="250/500",
        deductible=1_000.0,
        annual_premium=1_406.91,
        umbrella_limit=0.0,
        customer_months=328.0,
        vehicle_make="Subaru",
        vehicle_model="92x",
        vehicle_year=2004,
        policyholder_age=48.0,
        policyholder_sex="male",
        postal_code="466132",
        education="MD",
        occupation="craft-repair",
        hobbies="sleeping",
        household_relationship="husband",
        capital_gains=53_300.0,
        capital_losses=200.0,
    )


def test_insurance_umbrella_with_a_wrong_sign_is_unknown(tmp_path: Path) -> None:
    claim = one(tmp_path, "insurance_claims", INSURANCE | {"umbrella_limit": "-1000000"})
    assert claim.umbrella_limit is None


def test_copies_of_carclaims_are_read_alike(tmp_path: Path) -> None:
    names = {
        "Days_Policy_Accident": "Days:Policy-Accident",
        "Days_Policy_Claim": "Days:Policy-Claim",
        "AddressChange_Claim": "AddressChange-Claim",
        "FraudFound_P": "FraudFound",
    }
    changed = {"VehiclePrice": "more than 69,000", "Deductible": "300.0", "PoliceReportFiled": "no"}
    copy = {names.get(name, name): text for name, text in (CAR | changed).items()}
    rows = [copy | {"FraudFound": label} for label in ("Yes", "No", "1", "0")]
    loaded = datasets.load(written(tmp_path / "copy.csv", rows), "carclaims")
    assert loaded.labels.tolist() == [1, 0, 1, 0]
    assert loaded.claims[0] == car(tmp_path)


def test_copies_of_insurance_claims_are_read_alike(tmp_path: Path) -> None:
    names = {"capital-gains": "capital_gains", "capital-loss": "capital_loss"}
    changed = {"total_claim_amount": "71,610", "age": "48.0", "collision_type": ""}
    copy = {names.get(name, name): text for name, text in (INSURANCE | changed).items()}
    plain = one(tmp_path, "insurance_claims", INSURANCE)
    assert one(tmp_path, "insurance_claims", copy) == plain
    for label, fraud in (("Yes", 1), ("N", 0), ("1", 1), ("0", 0)):
        path = written(tmp_path / "copy.csv", [copy | {"fraud_reported": label}])
        assert datasets.load(path, "insurance_claims").labels.tolist() == [fraud]


def dated(tmp_path: Path, *dates: tuple[str, str]) -> list[tuple[str, str]]:
    """Days of loss and of the policy's start, as read from (incident_date, policy_bind_date)."""
    rows = [INSURANCE | {"incident_date": lost, "policy_bind_date": bound} for lost, bound in dates]
    loaded = datasets.load(written(tmp_path / "dated.csv", rows), "insurance_claims")
    assert loaded.rejected == ()
    return [(str(claim.loss_date), str(claim.policy_start_date)) for claim in loaded.claims]


@pytest.mark.parametrize(
    ("texts", "day"),
    [
        (("1/25/2015", "2/1/2015"), "2015-02-01"),
        (("25/01/2015", "02/01/2015"), "2015-01-02"),
        (("25-01-2015", "02-01-2015"), "2015-01-02"),
        (("25.01.2015", "02.01.2015"), "2015-01-02"),
        (("2015-01-25", "2015-02-01"), "2015-02-01"),
        (("2015-01-25 00:00:00", "2015-02-01 00:00:00"), "2015-02-01"),
        (("3/4/2015", "2/1/2015"), "2015-02-01"),
    ],
)
def test_days_and_months_are_decided_by_the_whole_column(
    tmp_path: Path, texts: tuple[str, str], day: str
) -> None:
    telling, undecided = ((text, text) for text in texts)
    assert dated(tmp_path, telling, undecided)[1] == (day, day)
    assert dated(tmp_path, undecided, telling)[0] == (day, day)


def test_a_column_that_does_not_decide_follows_the_others(tmp_path: Path) -> None:
    assert dated(tmp_path, ("02/01/2015", "17/10/2014"))[0] == ("2015-01-02", "2014-10-17")
    assert dated(tmp_path, ("02/01/2015", "10/17/2014"))[0] == ("2015-02-01", "2014-10-17")
    # Each column for itself where both decide.
    both = (("2/1/2015", "17-10-2014"), ("1/25/2015", "02-01-2014"))
    assert dated(tmp_path, *both)[1] == ("2015-01-25", "2014-01-02")
    assert dated(tmp_path, *both)[0] == ("2015-02-01", "2014-10-17")


def test_the_order_of_days_and_months_is_that_of_the_file_not_of_the_rows_asked_for(
    tmp_path: Path,
) -> None:
    rows = [INSURANCE | {"incident_date": text} for text in ("02/01/2015", "25/01/2015")]
    path = written(tmp_path / "dated.csv", rows)
    (claim,) = datasets.load(path, "insurance_claims", rows=1).claims
    assert claim.loss_date == dt.date(2015, 1, 2)


@pytest.mark.parametrize(
    ("row", "format", "bad", "expected"),
    [
        (CAR, "carclaims", {"VehiclePrice": "cheap"}, "column VehiclePrice: 'cheap'"),
        (CAR, "carclaims", {"DriverRating": "11"}, r"driver_rating"),
        (CAR, "carclaims", {"Deductible": "x"}, "column Deductible: 'x'"),
        (CAR, "carclaims", {"WeekOfMonth": "6"}, "column WeekOfMonth: 6"),
        (CAR, "carclaims", {"Year": "0"}, "column Year: 0"),
        (CAR, "carclaims", {"FraudFound_P": "?"}, r"column FraudFound_P: '\?'"),
        (INSURANCE, "insurance_claims", {"incident_date": "25/1/2015"}, "column incident_date"),
        (INSURANCE, "insurance_claims", {"incident_date": "1/25-2015"}, "column incident_date"),
        (INSURANCE, "insurance_claims", {"incident_date": "2/30/2015"}, "column incident_date"),
        (INSURANCE, "insurance_claims", {"age": "old"}, "column age: 'old'"),
        (INSURANCE, "insurance_claims", {"age": "48.5"}, "column age: '48.5'"),
        (INSURANCE, "insurance_claims", {"injury_claim": "nan"}, "column injury_claim: 'nan'"),
        (INSURANCE, "insurance_claims", {"total_claim_amount": "-5"}, "claim_amount"),
        (INSURANCE, "insurance_claims", {"injury_claim": "lots"}, "column injury_claim: 'lots'"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_column(
    tmp_path: Path, row: dict[str, str], format: str, bad: dict[str, str], expected: str
) -> None:
    rows = [row, row | bad, *[row] * 38]
    loaded = datasets.load(written(tmp_path / "bad.csv", rows), format)
    assert len(loaded.claims) == len(loaded.labels) == 39
    (refusal,) = loaded.rejected
    assert refusal.startswith("bad.csv, line 3: ")
    assert re.search(expected, refusal)


def test_a_reason_does_not_quote_a_whole_file(tmp_path: Path) -> None:
    path = written(tmp_path / "bad.csv", [CAR, *[CAR] * 38, CAR | {"Age": "y" * 100_000}])
    (refusal,) = datasets.load(path, "carclaims").rejected
    assert refusal.startswith("bad.csv, line 41: column Age: 'yyy")
    assert len(refusal) < 600


def test_too_many_refused_rows_stop_the_reading(tmp_path: Path) -> None:
    path = written(tmp_path / "bad.csv", [CAR, CAR | {"Age": "young"}])
    with pytest.raises(DatasetError, match=r"1 of 2 rows .*bad\.csv, line 3: column Age: 'young'"):
        datasets.load(path, "carclaims")


def test_missing_column_is_named(tmp_path: Path) -> None:
    row = {k: v for k, v in CAR.items() if k != "Fault"}
    with pytest.raises(DatasetError, match=r"one\.csv, line 1: no column Fault"):
        one(tmp_path, "carclaims", row)


def test_row_that_ends_early_is_refused(tmp_path: Path) -> None:
    path = Path(written(tmp_path / "short.csv", [CAR] * 40))
    path.write_text(path.read_text() + "Dec,5,Wednesday\n")
    (refusal,) = datasets.load(str(path), "carclaims").rejected
    assert "line 42: column" in refusal
    assert "the row ends before this column" in refusal


@pytest.mark.parametrize("content", ["", "Month,Year\n"])
def test_file_without_rows_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(content or ",".join(CAR) + "\n")
    with pytest.raises(DatasetError, match=r"empty\.csv"):
        datasets.load(str(path), "carclaims")


def test_unreadable_files_and_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere\.csv"):
        datasets.load(str(tmp_path / "nowhere.csv"), "carclaims")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe,")
    with pytest.raises(DatasetError, match=r"bytes\.csv"):
        datasets.load(str(tmp_path / "bytes.csv"), "carclaims")
    with pytest.raises(DatasetError, match=r"must be one of carclaims.*; got 'parquet'"):
        datasets.load("x", "parquet")


def test_what_can_be_read_only_once_is_refused(tmp_path: Path) -> None:
    """And not waited for: a named pipe may have no writer."""
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(DatasetError, match="not a regular file"):
            datasets.load(str(place), "carclaims")


def test_jsonl_round_trip(tmp_path: Path) -> None:
    made = datasets.load("synthetic", "synthetic", rows=200, seed=7)
    path = tmp_path / "claims.jsonl"
    datasets.write_jsonl(made, path)
    read = datasets.load(str(path), "jsonl")
    assert read.claims == made.claims
    np.testing.assert_array_equal(read.labels, made.labels)
    assert read.labels.dtype == np.int8
    assert set(read.labels.tolist()) == {0, 1}
    assert read.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(datasets.load(str(path), "jsonl", rows=3).claims) == 3


@pytest.mark.parametrize(
    ("label", "fraud"),
    [
        *((text, 1) for text in ("1", "1.0", "true", '"1"', '"1.0"', '"true"', '"Yes"', '"Y"')),
        *((text, 0) for text in ("0", "0.0", "false", '"0"', '"False"', '"no"', '" N "')),
    ],
)
def test_labels_are_read_as_programs_write_them(tmp_path: Path, label: str, fraud: int) -> None:
    path = tmp_path / "claims.jsonl"
    path.write_text(f'{{"claim_id":"a","fraud":{label}}}\n')
    assert datasets.load(str(path), "jsonl").labels.tolist() == [fraud]


def test_a_byte_order_mark_is_not_part_of_the_data(tmp_path: Path) -> None:
    marked = tmp_path / "claims.jsonl"
    marked.write_bytes(b'\xef\xbb\xbf{"claim_id":"a","fraud":1}\r\n{"claim_id":"b","fraud":0}\r\n')
    loaded = datasets.load(str(marked), "jsonl")
    assert ([c.claim_id for c in loaded.claims], loaded.rejected) == (["a", "b"], ())
    table = Path(written(tmp_path / "claims.csv", [CAR]))
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert len(datasets.load(str(table), "carclaims").claims) == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"claim_id":"a"}', "fraud"),
        (b'{"claim_id":"a","fraud":2}', "fraud"),
        (b'{"claim_id":"a","fraud":0.5}', "fraud: 0.5"),
        (b'{"claim_id":"a","fraud":"maybe"}', "fraud: 'maybe'"),
        (b'{"claim_id":"a","fraud":null}', "fraud"),
        (b'{"fraud":1}', "claim_id"),
        (b'{"claim_id":"a","witnesses":"two","fraud":1}', r"\$\.witnesses"),
        (b"not json", "malformed"),
        (b'{"claim_id":"\xff","fraud":1}', "utf-8"),
        (b'{"claim_id":"a","fraud":1,"x":' + b"[" * 99_999 + b"]" * 99_999 + b"}", "recursion"),
    ],
)
def test_jsonl_refuses_by_line_and_path(tmp_path: Path, line: bytes, expected: str) -> None:
    path = tmp_path / "claims.jsonl"
    path.write_bytes(b'{"claim_id":"a","fraud":0}\n' * 30 + b"\n" + line + b"\n")
    loaded = datasets.load(str(path), "jsonl")
    assert len(loaded.claims) == 30
    (refusal,) = loaded.rejected
    assert re.search(rf"claims\.jsonl, line 32: .*{expected}", refusal)


def test_synthetic_digest_depends_on_its_parameters() -> None:
    def digest(rows: int, seed: int) -> str:
        return datasets.load("synthetic", "synthetic", rows=rows, seed=seed).digest

    assert digest(5, 1) == digest(5, 1)
    assert len({digest(5, 1), digest(6, 1), digest(5, 2)}) == 3
    with pytest.raises(DatasetError, match="no rows"):
        digest(0, 1)


@pytest.fixture(scope="module")
def carclaims() -> Dataset:
    return datasets.load(shared("fraud_oracle.csv"), "carclaims")


def test_carclaims_file_is_read_whole(carclaims: Dataset) -> None:
    assert len(carclaims.claims) == 15_420
    assert carclaims.labels.sum() == 923
    assert carclaims.rejected == ()
    years = [c.loss_date.year for c in carclaims.claims if c.loss_date]
    assert [years.count(y) for y in (1994, 1995, 1996)] == [6_142, 5_195, 4_083]
    assert sum(c.driver_age is None for c in carclaims.claims) == 320
    assert sum(c.report_date is None for c in carclaims.claims) == 1


def test_carclaims_dates_are_in_order_and_within_a_year(carclaims: Dataset) -> None:
    lags = [
        (c.report_date - c.loss_date).days
        for c in carclaims.claims
        if c.report_date is not None and c.loss_date is not None
    ]
    assert min(lags) == 0
    assert max(lags) <= 366


def test_insurance_claims_file_is_read_whole() -> None:
    loaded = datasets.load(shared("insurance_claims.csv"), "insurance_claims")
    assert (len(loaded.claims), int(loaded.labels.sum()), loaded.rejected) == (1_000, 247, ())
    assert sum(c.collision_type is None for c in loaded.claims) == 178
    assert sum(c.umbrella_limit is None for c in loaded.claims) == 1
