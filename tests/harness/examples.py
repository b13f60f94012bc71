"""How many examples a property is tried on."""

from typing import Final

from hypothesis import settings

QUICK: Final = "quick"
"""Profile of `make check`. Both this and `make test` try other examples each time."""
SHARE: Final = 5


def many(count: int) -> int:
    """This many examples; a fifth of them in the quick tests."""
    return count // SHARE if settings.get_current_profile_name() == QUICK else count
