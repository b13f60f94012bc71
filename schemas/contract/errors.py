"""What is wrong with a contract."""


class ContractError(ValueError):
    """A contract cannot be used.

    Attributes:
        file: name of its file.
        path: JSON path of the fault in it.
        fix: what to do about it.
    """

    def __init__(self, file: str, path: str, what: str, fix: str) -> None:
        super().__init__(f"{file}, {path}: {what}. {fix}")
        self.file = file
        self.path = path
        self.fix = fix
