"""The built-in page: what is in it, and what a person sees in a real browser."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from consumer.web.page import SECTIONS, examples_of, policy
from consumer.web.page import form_fields as fields_of
from consumer.web.page import page as page_of
from schemas import examples
from schemas.claim import Claim
from tests.http.browser import Browser, browser
from tests.http.running import Server, running
from tests.schemas.contracts import decoder, shipped

TOKEN = "a-token-nobody-would-guess"
USED = ("claim_amount", "report_lag_days")


def form_fields(contract: str = "auto") -> list[dict[str, Any]]:
    return fields_of(decoder(contract), USED)


def page() -> str:
    return page_of(decoder("auto"), USED)


def test_the_form_asks_for_every_field_of_a_claim() -> None:
    fields = form_fields()
    assert {field["name"] for field in fields} == {*Claim.__struct_fields__}
    assert tuple(dict.fromkeys(field["section"] for field in fields)) == SECTIONS
    assert all(field["path"] == (field["name"],) for field in fields)


def test_the_form_marks_what_the_model_uses_however_it_is_derived() -> None:
    used = {field["name"] for field in form_fields() if field["used"]}
    assert used == {"claim_amount", "report_date", "loss_date"}


@pytest.mark.parametrize("contract", ["health", "property"])
def test_fields_of_a_nested_event_say_where_they_are(contract: str) -> None:
    """What is read from a text is asked for as a text."""
    for field in form_fields(contract):
        known = shipped(contract).fields[field["name"]]
        assert field["path"] in known.places
        assert field["type"] == "string" or known.reading is None


def test_on_a_phone_the_answer_is_not_below_the_fields() -> None:
    """The side with the answer comes first there, and the button stays in view."""
    style = re.search(r"@media \(max-width: 60rem\) \{(.*?)\n\}", page(), re.DOTALL)
    assert style is not None
    assert re.search(r"#side \{[^}]*order: -1", style[1])
    assert re.search(r"#act \{[^}]*position: fixed", style[1])
    assert 'id="act"><button class="main" id="score"' in page()


def test_the_page_says_which_fields_count_and_what_an_alert_would_say() -> None:
    places = set(re.findall(r'id="([a-z]+)"', page()))
    assert (
        {"uses", "says"}
        <= places
        <= {*re.findall(r'byId\("([a-z]+)"\)', page()), "side", "act", "answer"}
    )
    assert ".used > .of" in page(), "the mark of what the model uses"


def test_nothing_comes_from_elsewhere() -> None:
    markup = re.sub(r"(?s)<script.*?</script>", "", page())
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", markup) == []
    assert "url(" not in markup
    assert "@import" not in markup
    assert not re.search(r"\son\w+\s*=|\sstyle\s*=", markup)


def test_data_in_the_page_cannot_end_its_script() -> None:
    assert page().count("</script>") == 3
    parts = re.findall(r'(?s)<script type="application/json" id="[a-z-]+">(.*?)</script>', page())
    assert [json.loads(part) for part in parts] == [
        json.loads(json.dumps(form_fields())),
        json.loads(json.dumps(examples_of(shipped("auto")), default=str)),
    ]


def test_the_policy_allows_the_pages_own_script_and_style_only(client: httpx.Client) -> None:
    response = client.get("/")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    rules = dict(
        rule.split(" ", 1) for rule in response.headers["content-security-policy"].split("; ")
    )
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
    for tag in ("script", "style"):
        (inline,) = re.findall(f"(?s)<{tag}>(.*?)</{tag}>", response.text)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert "unsafe" not in policy(page())


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture
def shown(window: Browser, server: Server) -> Browser:
    """The page, freshly opened."""
    window.open(f"{server.url}/")
    window.complaints()  # those of the page before
    return window


def answered(server: Server, claim: dict[str, Any]) -> dict[str, Any]:
    response = httpx.post(
        f"{server.url}/fraud-detection", params={"detail": "true"}, json=claim, timeout=60
    )
    found: dict[str, Any] = response.json()
    return found


def percent(p: float) -> str:
    return f"{100 * p:.{2 if 0 < p < 0.0995 else 1}f} %"


@pytest.mark.slow
def test_a_person_scores_an_example(shown: Browser, server: Server, tmp_path: Path) -> None:
    assert shown.text("#result") == ""
    shown.click("#examples button:nth-child(2)")
    assert json.loads(shown.value("#claim")) == examples.LATE_THEFT
    assert shown.value("#field-loss_date") == examples.LATE_THEFT["loss_date"]
    shown.click("#score")
    expected = answered(server, examples.LATE_THEFT)
    assert shown.wait_for("#probability") == percent(expected["fraud_probability"])
    assert expected["decision"] == "refer"
    assert shown.text("#verdict").startswith("Refer to the special investigations unit")
    assert shown.text("#threshold") == f"threshold {percent(expected['threshold'])}"
    assert expected["model_version"] in shown.text("#model")
    assert shown.complaints() == []
    shown.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000


@pytest.mark.slow
def test_form_and_text_follow_each_other(shown: Browser) -> None:
    shown.type("#field-claim_amount", "1234.5")
    assert json.loads(shown.value("#claim"))["claim_amount"] == 1234.5
    shown.type("#claim", '{"claim_id": "pasted", "witnesses": 3, "shoe_size": 46}')
    assert shown.value("#field-claim_id") == "pasted"
    assert shown.value("#field-witnesses") == "3"
    assert shown.value("#field-claim_amount") == ""
    assert "shoe_size" in shown.text("#note")
    shown.type("#claim", "not json")
    assert "Not a JSON object" in shown.text("#note")


@pytest.mark.slow
def test_a_refused_claim_is_shown_where_it_is_wrong(shown: Browser) -> None:
    shown.type("#field-claim_amount", "-5")
    shown.click("#score")
    told = shown.wait_for("#problem")
    assert "Claim amount" in told
    assert ">= 0" in told
    assert shown.text("#answer") == ""
    assert shown.run("return document.querySelector('.wrong').id") == "field-claim_amount"
    shown.type("#claim", "{torn")
    shown.click("#score")
    assert "Bad Request" in shown.wait_for("#problem")


@pytest.mark.slow
def test_reasons_rules_and_flags_are_shown_as_text(shown: Browser) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    rule = {"id": "R1", "version": 1, "outcome": "review", "text": hostile}
    alert = {**examples.REFERRED, "rule_hits": [rule], "decision": "review"}
    shown.run("showAlert(arguments[0])", alert)
    lists = shown.text("#lists")
    assert examples.REFERRED["reasons"][0]["text"] in lists
    assert "+1.12" in lists
    assert hostile in lists
    assert "bodily injuries" in lists
    assert shown.text("#verdict") == "Review by a person."
    assert shown.run("return document.querySelectorAll('img').length") == 0


@pytest.mark.slow
def test_what_is_known_of_earlier_claims_is_told_in_words(shown: Browser) -> None:
    shown.run("showAlert(arguments[0])", examples.REFERRED)
    assert "stands in" not in shown.text("#lists")
    seen = {
        "entity": "bank_account", "claims_30d": 1, "claims_90d": 2, "claims_365d": 4, "policies": 3,
        "policies_at_least": False, "days_since": 8.0, "decided": 2, "frauds": 1, "fraud_rate": 0.5,
    }  # fmt: skip
    garage = {**seen, "entity": "garage", "claims_365d": 1, "policies": 64, "decided": 0}
    garage |= {"policies_at_least": True, "days_since": 1.0}
    new = {**seen, "entity": "phone", "days_since": None}
    link = {
        "entity": "bank_account", "claim_id": "<b>7</b>", "known_at": "2025-02-03T00:00:00Z",
        "finding": "fraud", "amount": 61200.5,
    }  # fmt: skip
    other = {**link, "claim_id": "8", "finding": None, "amount": None}
    alert = {**examples.REFERRED, "history": [seen, garage, new], "links": [link, other]}
    shown.run("showAlert(arguments[0])", alert)
    lists = shown.text("#lists").splitlines()
    start = lists.index("Earlier claims (they inform, and refer no claim)")
    assert lists[start + 1 : start + 6] == [
        "this bank account stands in 4 other claims of the past year; in all on 3 policies; the "
        "latest 8 days before; 1 of 2 with a known outcome was found to be fraud",
        "this garage stands in 1 other claim of the past year; in all on at least 64 policies; the "
        "latest 1 day before; no outcome known",
        "this phone stands in no earlier claim",
        "same bank account: claim <b>7</b> of 2025-02-03, 61,200.5 claimed, found to be fraud",
        "same bank account: claim 8 of 2025-02-03, no outcome known",
    ]


@pytest.mark.slow
def test_the_page_asks_for_the_token_when_there_is_one(window: Browser, model_dir: Path) -> None:
    with running(model_dir, API_TOKEN=TOKEN) as guarded:
        window.open(f"{guarded.url}/")
        assert window.text("#access") == ""
        window.click("#score")
        assert "Unauthorized" in window.wait_for("#problem")
        window.type("#token", TOKEN)
        window.click("#score")
        assert window.wait_for("#probability").endswith("%")
