"""What the HTTP endpoint answers: a verdict, or a problem."""

from typing import Annotated

from msgspec import Meta, Struct

from schemas.alert import Probability


class Verdict(Struct, frozen=True, gc=False):
    """The answer to one scored claim."""

    fraudulent: Annotated[bool, Meta(description="fraud_probability >= threshold")]
    fraud_probability: Annotated[
        Probability, Meta(description="Probability that the claim is fraudulent.")
    ]


class Problem(Struct, frozen=True, omit_defaults=True, gc=False):
    """An error as RFC 9457 writes it."""

    title: Annotated[str, Meta(description="The kind of error, in words.")]
    status: Annotated[int, Meta(ge=400, le=599, description="HTTP status code.")]
    detail: Annotated[str, Meta(description="What is wrong with this request.")] = ""
    path: Annotated[str, Meta(description="JSON path of the fault in the claim.")] = ""
