import datetime as dt
from pathlib import Path

import pytest

from model.features.facts import ClaimFacts
from model.scoring import rules
from model.scoring.rules import (
    MAX_CONDITION,
    MAX_CONDITIONS,
    MAX_RULES,
    MAX_TEXT,
    RuleError,
    Rules,
    shipped_rules,
)
from schemas.alert import Decision, RuleHit
from schemas.claim import Claim
from tests.model.examples import AUTO

SHIPPED = shipped_rules(AUTO)
DAY = dt.date(2024, 5, 10)
BEFORE, AFTER = DAY - dt.timedelta(days=1), DAY + dt.timedelta(days=1)


def parse(text: str, name: str = "rules") -> Rules:
    return rules.parse(text, AUTO, name)


def ids(claim: Claim) -> list[str]:
    (hits,) = SHIPPED.hits(ClaimFacts(AUTO, [claim]))
    return [hit.id for hit in hits]


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (Claim(claim_id="a"), []),
        (Claim(claim_id="a", loss_date=BEFORE, policy_start_date=DAY), ["loss-before-cover"]),
        (Claim(claim_id="a", loss_date=DAY, policy_start_date=DAY), ["loss-soon-after-start"]),
        (Claim(claim_id="a", loss_date=AFTER, policy_end_date=DAY), ["loss-after-cover"]),
        (Claim(claim_id="a", loss_date=DAY, policy_end_date=DAY), []),
        (Claim(claim_id="a", loss_date=DAY), []),
        (Claim(claim_id="a", loss_date=DAY, report_date=BEFORE), ["reported-before-loss"]),
        (Claim(claim_id="a", loss_date=DAY, report_date=AFTER), []),
        (Claim(claim_id="a", policy_age_days=-1), ["loss-before-policy-age"]),
        (Claim(claim_id="a", policy_age_days=0), ["loss-soon-after-start"]),
        (Claim(claim_id="a", vehicle_amount=2, claim_amount=1), ["vehicle-exceeds-claim"]),
        (Claim(claim_id="a", vehicle_amount=2, vehicle_price=1), ["vehicle-exceeds-price"]),
        (
            Claim(claim_id="a", incident_type=" Vehicle Theft", police_report_filed=False),
            ["theft-without-police"],
        ),
        (
            Claim(claim_id="a", incident_type="ＶＥＨＩＣＬＥ　theft", police_report_filed=False),
            ["theft-without-police"],
        ),
        (Claim(claim_id="a", incident_type="vehicle theft", police_report_filed=True), []),
        (Claim(claim_id="a", incident_type="vehicle theft"), []),
        (Claim(claim_id="a", incident_type="parked car", police_report_filed=False), []),
        (
            Claim(claim_id="a", loss_date=DAY, policy_end_date=BEFORE, report_date=BEFORE),
            ["loss-after-cover", "reported-before-loss"],
        ),
    ],
)
def test_rules_of_the_project(claim: Claim, expected: list[str]) -> None:
    assert ids(claim) == expected


def one(condition: str) -> str:
    return f"""
[[rule]]
id = "r"
version = 3
when = ['{condition}']
outcome = "refer"
text = "Told."
"""


def test_a_hit_tells_the_rule_and_belongs_to_its_claim() -> None:
    claims = [Claim(claim_id=str(n), witnesses=n) for n in range(4)]
    hit = RuleHit(id="r", version=3, outcome=Decision.REFER, text="Told.")
    assert parse(one("witnesses >= 2")).hits(ClaimFacts(AUTO, claims)) == [(), (), (hit,), (hit,)]


@pytest.mark.parametrize(
    ("condition", "claim", "met"),
    [
        ("loss_date == 2024-05-10", Claim(claim_id="a", loss_date=DAY), True),
        ("loss_date != 2024-05-10", Claim(claim_id="a", loss_date=DAY), False),
        ("loss_date != 2024-05-10", Claim(claim_id="a"), False),
        ('fault != "third party"', Claim(claim_id="a", fault="policyholder"), True),
        ('fault != "third party"', Claim(claim_id="a"), False),
        ('fault != "third party"', Claim(claim_id="a", fault="  "), False),
        ('fault == "Third Party"', Claim(claim_id="a", fault="third party"), True),
        ("property_damage != true", Claim(claim_id="a", property_damage=False), True),
        ("property_damage != true", Claim(claim_id="a"), False),
        ("claim_amount > 1.5", Claim(claim_id="a", claim_amount=2), True),
        ("witnesses<=1", Claim(claim_id="a", witnesses=1), True),
        ("policy_state != loss_state", Claim(claim_id="a", policy_state="OH"), False),
        (
            "policy_state != loss_state",
            Claim(claim_id="a", policy_state="OH", loss_state="NY"),
            True,
        ),
        ("missing(loss_date)", Claim(claim_id="a"), True),
        ("days_since(loss_date) > 30", Claim(claim_id="a", loss_date=DAY), False),
        (
            "days_since(loss_date) > 30",
            Claim(claim_id="a", loss_date=DAY, report_date=DAY + dt.timedelta(31)),
            True,
        ),
        ("report_lag_days == 1", Claim(claim_id="a", loss_date=BEFORE, report_date=DAY), True),
        ("vehicle_amount > 0.9 * vehicle_price", Claim(claim_id="a", vehicle_amount=1), False),
        (
            "vehicle_amount > 0.9 * vehicle_price",
            Claim(claim_id="a", vehicle_amount=92, vehicle_price=100),
            True,
        ),
        ('loss_state in ("oh", "ny") and not property_damage', Claim(claim_id="a"), False),
        (
            'loss_state in ("oh", "ny") or property_damage',
            Claim(claim_id="a", property_damage=True),
            True,
        ),
    ],
)
def test_conditions(condition: str, claim: Claim, met: bool) -> None:
    assert bool(parse(one(condition)).hits(ClaimFacts(AUTO, [claim]))[0]) is met


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[rule", "mine: "),
        ("", "mine: .*`rule`"),
        (one("witnesses > 1").replace("version = 3", ""), r"mine: .*`version`"),
        (one("witnesses > 1").replace("version = 3", "version = 0"), r"`int` >= 1 .*version`"),
        (one("witnesses > 1").replace("version = 3", f"version = {2**63}"), "mine: .*version`"),
        (one("witnesses > 1").replace("refer", "deny"), "mine: .*'deny'"),
        (one("witnesses > 1") + one("witnesses > 2"), "mine: two rules have the id r"),
        (one("witnesses"), "mine, rule r: 'witnesses' is a number: a condition is true or false"),
        (one("wittnesses > 1"), "there is no field wittnesses; did you mean witnesses"),
        (one("witnesses > many"), "column 13: there is no field many"),
        (one("witnesses > [1]"), r"expected a value, a name or \(, found \["),
        (one("witnesses > loss_date"), "> of a number and a date: both must be of one kind"),
        (one("claim_amount != nan"), "there is no field nan"),
        (one("claim_amount < +inf"), r"expected a value, a name or \(, found \+"),
        (one("claim_amount < 1e999"), "1e999 is too large"),
        (one('fault != " "'), "no claim contains an empty text"),
        (one("loss_date > 2024-05-10T12:00:00"), "column 26: : has no meaning here"),
        (one(f"witnesses < 1{400 * '0'}"), "is too large"),
        (one("witnesses > 1").replace("= 3", f"= {5_000 * '1'}"), "mine: "),
        (one("witnesses > 1").replace("version = 3", "version = 0"), r"mine: .*version"),
        (one("witnesses > 1") + f"x = {5_000 * '['}", "mine: "),
        (one('fault > "a"'), "a text can only be compared with == or !="),
        (one("witnesses > 1").replace("when = ['witnesses > 1']", "when = []"), "no condition"),
    ],
)
def test_wrong_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(RuleError, match=message):
        parse(text, "mine")


def test_a_byte_order_mark_is_not_part_of_the_rules(tmp_path: Path) -> None:
    marked = tmp_path / "rules.toml"
    marked.write_bytes(b"\xef\xbb\xbf" + (rules.SHIPPED / "auto.toml").read_bytes())
    assert len(rules.load(marked, AUTO)) == len(SHIPPED) > 0


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"none\.toml"):
        rules.load(tmp_path / "none.toml", AUTO)


def test_no_claims() -> None:
    assert SHIPPED.hits(ClaimFacts(AUTO, [])) == []


def sensitive(condition: str, text: str = "Told.", names: str = "") -> str:
    """A rule that says which sensitive fields it looks at."""
    rule = one(condition).replace("Told.", text)
    return f"{rule}sensitive = [{names}]\n" if names else rule


@pytest.mark.parametrize(
    ("condition", "name"),
    [
        ("policyholder_age < 25", "policyholder_age"),
        ('policyholder_sex == "female"', "policyholder_sex"),
        ('occupation == "craft repair"', "occupation"),
    ],
)
def test_a_rule_looks_at_sensitive_fields_only_if_it_says_so(condition: str, name: str) -> None:
    with pytest.raises(RuleError, match=rf'{name} is a \w+ field; .* sensitive = \["{name}"\]'):
        parse(sensitive(condition))
    assert len(parse(sensitive(condition, names=f'"{name}"'))) == 1


def test_what_is_listed_without_need_is_refused() -> None:
    for name in ("policyholder_age", "witnesses", "nonsense"):
        with pytest.raises(RuleError, match=f"sensitive lists {name}, but no condition"):
            parse(sensitive("witnesses > 1", names=f'"{name}"'))


@pytest.mark.parametrize(
    ("condition", "text", "shown"),
    [
        ("policyholder_age < 25", "Younger than 25.", True),
        ("policyholder_age < 25", "One of 250 rules.", False),
        ('policyholder_sex == "Female"', "The policyholder is female.", True),
        ('policyholder_sex == "Female"', "As rule 7 has it.", False),
        ("policyholder_age in (17, 18)", "Aged 18.", True),
        ("policyholder_age + 5 < 30", "Aged below 30.", True),
    ],
)
def test_the_text_of_such_a_rule_does_not_show_the_value(
    condition: str, text: str, shown: bool
) -> None:
    rule = sensitive(condition, text, f'"{condition.split(maxsplit=1)[0]}"')
    if not shown:
        assert len(parse(rule)) == 1
        return
    with pytest.raises(RuleError, match="id or text reveals the value"):
        parse(rule)


def test_a_file_that_anybody_may_write_to_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(one("witnesses > 1"))
    assert len(rules.load(file, AUTO)) == 1
    file.chmod(0o666)
    with pytest.raises(RuleError, match=f"chmod o-w {file}$"):
        rules.load(file, AUTO)


def sized(*, rules: int = 1, conditions: int = 1, condition: int = 0, text: int = 1) -> str:
    when = ", ".join(['"claim_amount > 1%s"' % (" " * condition)] * conditions)
    return "".join(
        f'[[rule]]\nid = "r{number}"\nversion = 1\noutcome = "refer"\ntext = "{"x" * text}"\n'
        f"when = [{when}]\n"
        for number in range(rules)
    )


@pytest.mark.parametrize(
    ("most", "where"),
    [
        ({"rules": MAX_RULES}, r"length <= 1000 - at `\$\.rule`"),
        ({"conditions": MAX_CONDITIONS}, r"length <= 100 - at `\$\.rule\[0\]\.when`"),
        ({"condition": MAX_CONDITION - 16}, r"length <= 500 - at `\$\.rule\[0\]\.when\[0\]`"),
        ({"text": MAX_TEXT}, r"length <= 1000 - at `\$\.rule\[0\]\.text`"),
    ],
)
def test_a_rule_file_has_limits(most: dict[str, int], where: str) -> None:
    parse(sized(**most))
    with pytest.raises(RuleError, match=where):
        parse(sized(**{name: count + 1 for name, count in most.items()}))


@pytest.mark.parametrize("value", ["25", "25.0", "2.5e1", "-25"])
def test_a_number_is_revealed_however_it_is_written(value: str) -> None:
    rule = sized().replace("claim_amount > 1", f"policyholder_age > {value}")
    rule = rule.replace('"x"', '"older than 25"') + 'sensitive = ["policyholder_age"]\n'
    with pytest.raises(RuleError, match="reveals the value"):
        parse(rule)
