"""Facts of a claim in plain English, in the words of its contract."""

from schemas.contract.model import Contract
from schemas.contract.phrases import render, shown

Value = str | float | bool | None


def phrase(contract: Contract, feature: str, value: Value) -> str:
    """Describe the claim's value of the feature; None is missing. Personal facts are withheld.

    A number that stands for a band is told in the band's words.
    """
    label = feature.replace("_", " ")
    if contract.is_withheld(feature):
        return f"{label} (not shown)"
    if value is None:
        return f"{label} not known"
    words, said = contract.band(feature, value), contract.phrase(feature)
    if said is None:
        return f"{label}: {shown(words or value)}"
    return render(said, value, words)
