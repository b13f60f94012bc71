"""GET /: a page for trying a claim. One file, no external assets."""

import base64
import hashlib
import json
import re
from importlib import resources
from typing import Any, Final

from falcon.asgi import Request, Response

from schemas import examples
from schemas.claim import field_schemas

TEMPLATE: Final = resources.files("consumer.web") / "page.html"
SECTIONS: Final = {
    "claim_id": "Claim",
    "loss_date": "Dates",
    "loss_hour": "Loss",
    "claim_amount": "Amounts",
    "policy_type": "Policy",
    "vehicle_make": "Vehicle",
    "driver_age": "People (by default not used for the score)",
}
"""First field of each section; `Claim` declares its fields in this order."""
EXAMPLES: Final = {
    "Rear-end collision": examples.REAR_END,
    "Late reported theft": examples.LATE_THEFT,
    "Id only": examples.MINIMAL_CLAIM,
}


def form_fields() -> list[dict[str, Any]]:
    """The fields of the form: name, section, type, bounds, unit and role of each."""
    found, section = [], ""
    for name, schema in field_schemas().items():
        section = SECTIONS.get(name, section)
        branch = next(b for b in schema.get("anyOf", [schema]) if b.get("type") != "null")
        found.append({"name": name, "section": section, **branch})
    return found


def _embedded(value: object) -> str:
    """JSON that is safe inside a script element."""
    return json.dumps(value).replace("<", "\\u003c")


def page() -> str:
    """The page, including the fields of `Claim` and the examples."""
    text = TEMPLATE.read_text(encoding="utf-8")
    return text.replace("{{fields}}", _embedded(form_fields())).replace(
        "{{examples}}", _embedded(EXAMPLES)
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
    """Serves the page."""

    def __init__(self) -> None:
        text = page()
        self._content = text.encode()
        self._headers = {
            "Content-Security-Policy": policy(text),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }

    async def on_get(self, _: Request, response: Response) -> None:
        """Answer the page."""
        response.content_type = "text/html; charset=utf-8"
        response.set_headers(self._headers)
        response.data = self._content

    on_head = on_get
