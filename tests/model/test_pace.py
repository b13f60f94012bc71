"""How many claims a day there are."""

import datetime as dt

import pytest

from model.training.pace import claims_per_day

FIRST = dt.date(2024, 1, 1).toordinal()
DAYS = [FIRST + n // 2 for n in range(800)]


def test_claims_of_a_period() -> None:
    assert claims_per_day(DAYS, 800) == 2
    assert claims_per_day(DAYS[::-1], 880) == 2.2  # 80 without a day
    assert claims_per_day([FIRST], 1) == claims_per_day([FIRST, FIRST + 1], 2) == 1
    assert claims_per_day([], 7) == 7


@pytest.mark.parametrize("wrong", [dt.date(1024, 5, 6), dt.date(9999, 12, 31), dt.date(1, 1, 1)])
def test_a_wrong_year_does_not_count(wrong: dt.date) -> None:
    """With it, a budget of a few alerts a day would refer every claim."""
    found = claims_per_day([*DAYS[1:], wrong.toordinal()], 800)
    assert found == pytest.approx(2, rel=0.02)


def test_a_history_with_few_early_claims_is_not_wrong() -> None:
    days = [FIRST - 150, *DAYS]
    assert claims_per_day(days, 801) == 801 / (DAYS[-1] - FIRST + 151)
