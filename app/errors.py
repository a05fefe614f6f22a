"""The base error of the project and its subclasses.

Every message names the problem and the fix; command lines print it without a stack trace.
"""


class GlobalMartError(Exception):
    """Base of every error this project raises on purpose."""


class SettingsError(GlobalMartError):
    """A setting is missing, malformed or unknown; the message names the variable and the fix."""


class JavaMissingError(SettingsError):
    """No Java is installed that is new enough; the message lists what was found, and the fix."""


class SchemaError(GlobalMartError):
    """The database's schema version is not that of this program."""


class LedgerError(GlobalMartError):
    """Kafka and the ledger in PostgreSQL contradict each other; continuing would lose or repeat records."""


class KafkaTopicError(GlobalMartError):
    """A topic cannot be created or does not match the settings."""


class EmbeddedStackError(GlobalMartError):
    """An embedded server cannot be installed, started or stopped; the message names the fix."""


class LakeError(GlobalMartError):
    """The Parquet lake and PostgreSQL contradict each other, or the lake cannot be read."""


class QualityError(GlobalMartError):
    """Data failed a check before the publish; the message names rows. The published run stays."""


class PublishError(GlobalMartError):
    """Staged documents in MongoDB differ from the computed ones, or a store failed; the old run stays published."""


class LockHeldError(GlobalMartError):
    """Another command holds the lock."""


class DockerError(GlobalMartError):
    """Docker, its engine or the stack's settings file is missing; the message names the fix."""


class StoreUnavailableError(GlobalMartError):
    """A store does not answer; the message names it and the fix."""


class BackupError(GlobalMartError):
    """A backup could not be made, is damaged, or must not be restored into the given databases."""


class RecountError(GlobalMartError):
    """A store cannot be read for a comparison, or its state cannot be compared; the message names the reason."""


def text_of(error: BaseException) -> str:
    """Returns an error's text, or the name of its class if it has none: many of Java's and asyncio's have none."""
    return str(error).strip() or type(error).__name__
