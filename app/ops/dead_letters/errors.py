"""The error of the commands about dead letters."""

from app.errors import GlobalMartError


class DeadLetterError(GlobalMartError):
    """A dead letter does not exist, cannot be corrected as requested, or could not be sent."""
