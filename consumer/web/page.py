"""GET /: a page for trying a claim. One file, no external assets."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Collection
from importlib import resources
from typing import Any, Final

import msgspec
from falcon.asgi import Request, Response

from consumer.batch.alerts import BatchScorer
from schemas.claim import Role
from schemas.contract.model import Contract, Field
from schemas.decoding.decoder import ClaimDecoder
from schemas.expressions.nodes import facts_of

TEMPLATE: Final = resources.files("consumer.web") / "page.html"
SECTIONS: Final = (
    "Claim",
    "Dates",
    "Amounts",
    "Facts",
    "People (by default not used for the score)",
)
_BY_ROLE: Final = {Role.IDENTIFIER: 0, Role.TIME: 1, Role.FEATURE: 3}


def form_fields(decoder: ClaimDecoder, features: Collection[str]) -> list[dict[str, Any]]:
    """The fields of the form: name, path in the event, section, type, bounds, unit and role.

    Args:
        decoder: of the contract.
        features: those that the model uses; their fields are marked.
    """
    (_,), components = msgspec.json.schema_components([decoder.type])
    (schemas,) = (c["properties"] for c in components.values())
    used = _used(decoder.contract, features)
    found = [
        (_section(field), _form_field(field, schemas[field.name], used, decoder))
        for field in decoder.contract.fields.values()
        if not field.said.row and not (field.reading and field.reading.week_date)
    ]
    return [form | {"section": SECTIONS[n]} for n, form in sorted(found, key=lambda f: f[0])]


def _form_field(
    field: Field, schema: dict[str, Any], used: Collection[str], decoder: ClaimDecoder
) -> dict[str, Any]:
    branch = next(b for b in schema.get("anyOf", [schema]) if b.get("type") != "null")
    if field.reading is not None or decoder.contract.missing:
        branch = {"type": "string", "description": branch.get("description", "")}
    return {"name": field.name, "path": field.places[0], "used": field.name in used, **branch}


def _section(field: Field) -> int:
    if field.role is Role.FEATURE and field.said.unit == "currency":
        return 2
    return _BY_ROLE.get(field.role, len(SECTIONS) - 1)


def _used(contract: Contract, features: Collection[str]) -> set[str]:
    """Fields that are features, or that features are derived from."""
    found: set[str] = set()
    due = list(features)
    while due:
        name = due.pop()
        if name in contract.derived:
            inner = {fact.name for fact in facts_of(contract.derived[name].node)}
            found |= inner & contract.fields.keys()
            due += [other for other in inner if other in contract.derived and other != name]
        else:
            found.add(name)
    return found


def examples_of(contract: Contract) -> dict[str, Any]:
    """The contract's examples, by name."""
    return {f"Example {n}": claim for n, claim in enumerate(contract.examples, start=1)} or {
        "Empty": {}
    }


def _embedded(value: object) -> str:
    """JSON that is safe inside a script element."""
    return json.dumps(value).replace("<", "\\u003c")


def page(decoder: ClaimDecoder, features: Collection[str]) -> str:
    """The page for claims of a contract, with its fields and examples; see `form_fields`."""
    text = TEMPLATE.read_text(encoding="utf-8")
    examples = examples_of(decoder.contract)
    return text.replace("{{fields}}", _embedded(form_fields(decoder, features))).replace(
        "{{examples}}", _embedded(examples)
    )


def policy(text: str) -> str:
    """Content-Security-Policy that allows only the page's own style and script."""

    def digests(tag: str) -> str:
        return " ".join(_digest(inline) for inline in re.findall(f"(?s)<{tag}>(.*?)</{tag}>", text))

    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {digests('script')}",
            f"style-src {digests('style')}",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _digest(inline: str) -> str:
    sha256 = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    return f"'sha256-{sha256}'"


class Page:
    """Serves the page for the model in service."""

    def __init__(self, scorer: Callable[[], BatchScorer]) -> None:
        self._scorer = scorer
        self._of: BatchScorer | None = None
        self._content = b""
        self._headers: dict[str, str] = {}

    async def on_get(self, _: Request, response: Response) -> None:
        """Answer with the page."""
        self._renew(self._scorer())
        response.content_type = "text/html; charset=utf-8"
        response.set_headers(self._headers)
        response.data = self._content

    on_head = on_get

    def _renew(self, scorer: BatchScorer) -> None:
        """Rebuild the page if the model has changed."""
        if self._of is scorer:
            return
        text = page(scorer.decoder, scorer.features)
        self._of, self._content = scorer, text.encode()
        self._headers = {
            "Content-Security-Policy": policy(text),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }
