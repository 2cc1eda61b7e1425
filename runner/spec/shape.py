"""What every shape of the language has in common, and the small types they are made of."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeAlias

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]+$", max_length=200)]
Template: TypeAlias = str
NotEmpty = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
UpToADay = Annotated[float, Field(gt=0, le=86_400)]
Share = Annotated[float, Field(ge=0, le=1)]


class Shape(BaseModel):
    """The base of every shape: unknown keys refused, values never coerced, immutable once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _remember_known_keys(cls, value: Any, info: ValidationInfo) -> Any:
        """Leave the keys this shape knows where the loader finds them, to name the nearest one to a stranger. Of a
        mapping that an alias puts in two places, those that may stand in both."""
        if isinstance(value, dict) and isinstance(info.context, dict):
            known, elsewhere = cls.known_keys(), info.context.get(id(value))
            info.context[id(value)] = known if elsewhere is None else tuple(key for key in known if key in elsewhere)
        return value

    @classmethod
    @cache
    def known_keys(cls) -> tuple[str, ...]:
        """Every key that may be written, each in all its spellings."""
        keys: list[str] = []
        for name, field in cls.model_fields.items():
            match field.validation_alias:
                case AliasChoices(choices=choices):
                    keys.extend(str(choice) for choice in choices)
                case str(alias):
                    keys.append(alias)
                case _:
                    keys.append(name)
        return tuple(keys)
