"""What the fraud desk refuses."""

from app.errors import GlobalMartError


class InvalidRuleError(GlobalMartError):
    """A rule, list, threshold, case or label that is not valid; the text names the field and the fix."""


class TakenNameError(InvalidRuleError):
    """A list of this name exists already."""


class UnknownNameError(GlobalMartError):
    """No rule, list, case or order has this name."""


class VersionConflictError(GlobalMartError):
    """Somebody else has changed it meanwhile; `current` is the version that holds now."""

    def __init__(self, text: str, current: int) -> None:
        super().__init__(text)
        self.current = current
