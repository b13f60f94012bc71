"""OpenAPI 3.1 of the HTTP endpoint."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from schemas import examples
from schemas.alert import FraudAlert
from schemas.answer import Problem, Verdict
from schemas.claim_form import ClaimForm
from schemas.documents import AUTO, DIALECT, components
from schemas.json_object import JsonObject

VERSION: Final = "1.0.0"
JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"
TEXT: Final = "text/plain"
MAX_CLAIMS: Final = 1_000
"""In one request."""

SCORING_PROBLEMS: Final = {
    400: "Not JSON, not UTF-8, empty, nested too deeply, or `detail` is no boolean.",
    408: "The body did not arrive in time.",
    413: "The claim or the array is larger than the limit, or than the claims topic accepts.",
    415: "The body is not sent as application/json.",
    422: "JSON, but no claim: `path` is where; or an array of none or too many.",
    500: "The model failed.",
    503: "Too many requests under way; or, where posted claims are forwarded (API_FORWARD), Kafka "
    "has not acknowledged the claim, so it is not scored. Try again, with the same id.",
}
HELD: Final = {"fraudulent": False, "fraud_probability": 0.0213}
REFUSED: Final = {
    "title": HTTPStatus(422).phrase,
    "status": 422,
    "detail": "must be at least 0",
    "path": "$.claim_amount",
}


def _schema(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(media_type: str, schema: JsonObject, **more: Any) -> JsonObject:
    return {"content": {media_type: {"schema": schema, **more}}}


def _problem(description: str, **more: Any) -> JsonObject:
    return {"description": description, **_content(PROBLEM_JSON, _schema("Problem"), **more)}


def _text(description: str, media_type: str = TEXT) -> JsonObject:
    return {"description": description, **_content(media_type, {"type": "string"})}


UNAUTHORIZED: Final = {"$ref": "#/components/responses/Unauthorized"}


def _answer() -> JsonObject:
    either = {"anyOf": [_schema("Verdict"), _schema("FraudAlert"), _answers()]}
    shown = {
        "verdict": {"summary": "The answer", "value": HELD},
        "alert": {"summary": "With detail=true", "value": examples.OVER_HTTP},
        "array": {"summary": "To an array of two, one of them refused", "value": [HELD, REFUSED]},
    }
    return {
        "description": "The claim was scored, or each of the array was answered.",
        **_content(JSON, either, examples=shown),
    }


def _answers() -> JsonObject:
    answers = [_schema("Verdict"), _schema("FraudAlert"), _schema("Problem")]
    return {
        "type": "array",
        "description": "An answer for each claim of an array, in their order.",
        "items": {"anyOf": answers},
    }


def _claims() -> JsonObject:
    """One claim, or an array of what may be claims."""
    return {
        "anyOf": [
            _schema("Claim"),
            {
                "type": "array",
                "description": "Claims, each of at most 1 MB and 16 MB in all. What is no claim, "
                "or was not forwarded, is answered with its problem, and the others are scored.",
                "minItems": 1,
                "maxItems": MAX_CLAIMS,
                "items": {"anyOf": [_schema("Claim"), {}]},
            },
        ]
    }


def _scoring(form: ClaimForm) -> JsonObject:
    shown = {_name(claim, n): {"value": claim} for n, claim in enumerate(form.examples, start=1)}
    problems = {str(status): _problem(text) for status, text in SCORING_PROBLEMS.items()}
    problems["422"] = _problem(SCORING_PROBLEMS[422], example=REFUSED)
    return {
        "operationId": "scoreClaim",
        "summary": "Score one claim, or an array of claims",
        "description": "The same decoding, preprocessing and model as the worker's.",
        "parameters": [
            {
                "name": "detail",
                "in": "query",
                "description": "Answer the whole alert, with reasons, instead of the verdict.",
                "schema": {"type": "boolean", "default": False},
            }
        ],
        "requestBody": {"required": True, **_content(JSON, _claims(), examples=shown)},
        "responses": {"200": _answer(), "401": UNAUTHORIZED, **problems},
    }


def _name(claim: Mapping[str, Any], number: int) -> str:
    return str(claim.get("claim_id", f"claim-{number}"))


def _get(operation: str, summary: str, *, free: bool, **responses: JsonObject) -> JsonObject:
    found = {status.removeprefix("s"): answer for status, answer in responses.items()}
    if free:
        return {"operationId": operation, "summary": summary, "security": [], "responses": found}
    found["401"] = UNAUTHORIZED
    return {"operationId": operation, "summary": summary, "responses": found}


def _paths(form: ClaimForm) -> dict[str, JsonObject]:
    metrics = _text("Every instrument in the text format.")
    document = {"description": "OpenAPI 3.1.", **_content(JSON, {"type": "object"})}
    page = _text("The page.", "text/html")
    alive, ready = _text("Healthy."), _text("Ready.")
    ill, unready = _text("What is wrong."), _text("What is missing.")
    return {
        "/fraud-detection": {"post": _scoring(form)},
        "/": {"get": _get("page", "A page to try a claim on", free=True, s200=page)},
        "/openapi.json": {"get": _get("document", "This document", free=False, s200=document)},
        "/healthz": {
            "get": _get("health", "Should it be restarted?", free=True, s200=alive, s503=ill)
        },
        "/readyz": {
            "get": _get("readiness", "Can it score now?", free=True, s200=ready, s503=unready)
        },
        "/metrics": {"get": _get("metrics", "Metrics for Prometheus", free=False, s200=metrics)},
    }


def openapi(form: ClaimForm = AUTO, *, page: bool = True) -> JsonObject:
    """The document, for claims of that form; with the page, or of an endpoint without one."""
    place = "#/components/schemas/"
    schemas = form.components(place) | components([FraudAlert, Verdict, Problem], place)
    unauthorized = _problem("A bearer token is set (API_TOKEN), and this is not it.")
    unauthorized["headers"] = {
        "WWW-Authenticate": {"schema": {"type": "string"}, "description": "Bearer"}
    }
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": DIALECT,
        "info": {
            "title": "Claims fraud scorer",
            "version": VERSION,
            "summary": "Fraud probability of a claim.",
            "description": "A referral is advice to a person: no answer denies a claim.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}],
        "paths": {path: said for path, said in _paths(form).items() if page or path != "/"},
        "components": {
            "schemas": schemas,
            "responses": {"Unauthorized": unauthorized},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Asked for when the setting API_TOKEN is set.",
                }
            },
        },
    }
