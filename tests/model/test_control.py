"""The random control sample: the same claims in every process, and as many as asked for."""

from model.scoring.decisions import control_sample

EXPECTED = [
    "CLM-2026-000203",
    "CLM-2026-000789",
    "CLM-2026-000862",
    "CLM-2026-002403",
    "CLM-2026-005242",
    "CLM-2026-005534",
    "CLM-2026-007284",
    "CLM-2026-007567",
    "CLM-2026-007875",
    "CLM-2026-009417",
    "CLM-2026-009532",
    "CLM-2026-011272",
    "CLM-2026-012415",
    "CLM-2026-016511",
    "CLM-2026-017629",
]
IDS = [f"CLM-2026-{number:06}" for number in range(20_000)]


def drawn(share: float) -> set[str]:
    return {claim for claim, chosen in zip(IDS, control_sample(IDS, share), strict=True) if chosen}


def test_the_same_claims_are_drawn_in_every_process() -> None:
    # Written down: a release that draws others would break samples that are being investigated.
    assert sorted(drawn(0.0005)) == EXPECTED
    assert control_sample(["Schäden-1", ""], 1) == [True, True]


def test_about_the_share_is_drawn() -> None:
    for share in (0.01, 0.1, 0.5):
        # Within five standard deviations.
        assert abs(len(drawn(share)) - share * len(IDS)) < 5 * (share * len(IDS)) ** 0.5
    assert drawn(0) == set()
    assert drawn(1) == set(IDS)


def test_a_larger_sample_contains_the_smaller_one() -> None:
    assert drawn(0.01) < drawn(0.02) < drawn(0.5)
