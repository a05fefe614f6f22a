"""What can go wrong with dead letters."""

from app.errors import GlobalMartError


class DeadLetterError(GlobalMartError):
    """A dead letter does not exist, cannot be corrected as asked, or could not be sent."""
