"""What every group of settings has in common."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Self, get_args

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import SettingsError

ENV_PREFIX: Final = "GLOBALMART_"
Port = Annotated[int, Field(ge=1, le=65535)]


def setting(default: Any, description: str, *, unit: str = "", guide: str = "", **constraints: Any) -> Any:
    """A field with its description, unit and the first guide's name for it."""
    extra: dict[str, Any] = {"unit": unit, "guide": guide}
    return Field(default, description=description, json_schema_extra=extra, **constraints)


class SettingsGroup(BaseSettings):
    """A frozen group; `GROUP` is the part of the variable names between the prefix and the field."""

    GROUP: ClassVar[str] = ""
    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_ignore_empty=True)

    @classmethod
    def variable(cls, field: str) -> str:
        """Name of the environment variable of a field."""
        return f"{ENV_PREFIX}{cls.GROUP}{field}".upper()

    @classmethod
    def secrets(cls) -> tuple[str, ...]:
        """Names of the environment variables whose values are secret."""
        return tuple(
            cls.variable(name)
            for name, field in cls.model_fields.items()
            if SecretStr in (field.annotation, *get_args(field.annotation))
        )

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """Build the group from a mapping of variables; raises SettingsError naming each bad one."""
        given = {
            field: values[cls.variable(field)]
            for field in cls.model_fields
            if values.get(cls.variable(field), "") != ""
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError("\n".join(cls._explain(error))) from None

    @classmethod
    def _explain(cls, error: ValidationError) -> Iterator[str]:
        for problem in error.errors(include_url=False, include_input=False):
            field = str(problem["loc"][0]) if problem["loc"] else ""
            if field in cls.model_fields:
                hint = cls.model_fields[field].description or ""
                yield f"{cls.variable(field)}: {problem['msg']}. It is: {hint}."
            else:
                yield f"{cls.variable('*')}: {problem['msg']}"
