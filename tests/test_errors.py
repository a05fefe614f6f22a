"""What is shown of an error."""

import pytest
from pyspark.errors import PySparkException

from app.errors import LakeError, PublishError, text_of
from app.published_run import cause_of
from app.settings import Settings
from batch.run_errors import translate_errors


class _SilentError(PySparkException):
    """As Spark raises one whose Java exception has no text."""

    def __str__(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TimeoutError(), "TimeoutError"),
        (OSError(" \n"), "OSError"),
        (_SilentError("nothing to say"), "_SilentError"),
        (LakeError("the lake is damaged"), "the lake is damaged"),
    ],
)
def test_an_error_without_a_text_names_its_class(error: Exception, text: str) -> None:
    assert text_of(error) == cause_of(error) == text


def test_a_night_that_spark_ends_without_a_word_says_what_ended_it() -> None:
    settings = Settings({})
    with (
        pytest.raises(PublishError, match=r"the published run stays: _SilentError$"),
        translate_errors(settings.postgres, settings.mongo),
    ):
        raise _SilentError("nothing to say")
