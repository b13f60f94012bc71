"""Cells of CSV that a spreadsheet would take for a formula, as the texts that they are.

Source: OWASP, *CSV Injection*. Claims are written by others, and an id such as ``=cmd|…`` runs in
the spreadsheet of whoever opens the file.
"""

from typing import Final

MARK: Final = "'"
_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")
_MARKED: Final = frozenset((MARK, *_FORMULA))


def as_text(cell: str) -> str:
    """The cell with an apostrophe before it, if it begins like a formula or with an apostrophe.

    ``cell.removeprefix("'")`` gives back what it was.
    """
    return MARK + cell if cell[:1] in _MARKED else cell
