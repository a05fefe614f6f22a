"""The one base error of the project and its few kinds.

Every message says what is wrong and what to do about it; command lines print it without a stack trace.
"""


class GlobalMartError(Exception):
    """Base of every error this project raises on purpose."""


class SettingsError(GlobalMartError):
    """A setting is missing, malformed or unknown; the message names the variable and the fix."""


class SchemaError(GlobalMartError):
    """The database is at a schema version this program does not know."""


class LedgerError(GlobalMartError):
    """Kafka and the ledger in PostgreSQL contradict each other; going on would lose or repeat records."""


class KafkaTopicError(GlobalMartError):
    """A topic cannot be created or does not have the shape the settings ask for."""


class EmbeddedStackError(GlobalMartError):
    """An embedded server cannot be installed, started or stopped; the message names the cure."""


class LakeError(GlobalMartError):
    """The Parquet lake and PostgreSQL contradict each other, or the lake cannot be read."""


class QualityError(GlobalMartError):
    """Data failed a check before the publish; the message names rows. What is published stays."""


class PublishError(GlobalMartError):
    """What was staged in MongoDB is not what was computed, or a store failed; the old run stays."""


class LockHeldError(GlobalMartError):
    """Another batch run is under way."""


class DockerError(GlobalMartError):
    """Docker, its engine or the stack's settings file is missing; the message names the cure."""


class StoreUnavailableError(GlobalMartError):
    """A store does not answer an operator's question; the message names it and the cure."""


class BackupError(GlobalMartError):
    """A backup could not be made, is damaged, or must not be restored where it was asked to."""


class RecountError(GlobalMartError):
    """A store cannot be read for a comparison, or is not in a state that can be compared; the message says why."""
