"""The settings of the service: one table, read from a mapping and from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

ENVIRONMENT_PREFIX: Final = "DERMOGRAPH_"
"""A setting NAME is read from the environment variable DERMOGRAPH_NAME."""


class SettingError(Exception):
    """A setting is unknown or has an illegal value; the message names it."""


class Setting(NamedTuple):
    """One row of the table of settings.

    Attributes:
        name: as in the mapping; in the environment with DERMOGRAPH_ before it.
        default: the value if nothing is said.
        kind: what a value has to be: "bytes", a whole number above 0, or "url".
        help: what it does, in one sentence.
    """

    name: str
    default: int | str | None
    kind: str
    help: str


SETTINGS: Final = (
    Setting(
        "PUBLIC_URL",
        None,
        "url",
        "Where clients reach the service, such as https://dermograph.example; "
        "taken from the request if not set.",
    ),
    Setting("MAX_URL_BYTES", 60_000, "bytes", "The longest URL that is accepted (414)."),
    Setting("MAX_BODY_BYTES", 1_000_000, "bytes", "The largest body that is accepted (413)."),
    Setting("MAX_QUERY_BYTES", 250_000, "bytes", "The longest text of a query (413)."),
    Setting("MAX_RESULT_BYTES", 100_000_000, "bytes", "The largest answer that is given (403)."),
)
"""Every setting of the service."""

_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of the settings, see SETTINGS for what each of them does."""

    public_url: str | None
    max_url_bytes: int
    max_body_bytes: int
    max_query_bytes: int
    max_result_bytes: int


def read(
    given: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings; what is given comes before the environment, that before the defaults.

    Args:
        given: values by the names of SETTINGS.
        environment: variables; those of this process if None.

    Raises:
        SettingError: a setting is unknown or has an illegal value.
    """
    variables = os.environ if environment is None else environment
    from_environment = {
        name.removeprefix(ENVIRONMENT_PREFIX): value
        for name, value in variables.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }
    values: dict[str, Any] = {}
    for source, prefix in ((from_environment, ENVIRONMENT_PREFIX), (given or {}, "")):
        for name, value in source.items():
            values[name] = _checked(name, value, shown=prefix + name)
    defaults = {setting.name: setting.default for setting in SETTINGS}
    return Settings(**{name.lower(): value for name, value in {**defaults, **values}.items()})


def _checked(name: str, value: object, *, shown: str) -> object:
    setting = _BY_NAME.get(name)
    if setting is None:
        known = ", ".join(sorted(_BY_NAME))
        raise SettingError(f"There is no setting {shown}. The settings are {known}.")
    return _KINDS[setting.kind](value, shown)


def _bytes(value: object, shown: str) -> int:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingError(f"{shown} has to be a whole number of bytes above 0, not {value!r}.")
    return value


def _url(value: object, shown: str) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value) if isinstance(value, str) else None
    if (
        not isinstance(value, str)
        or parts is None
        or parts.scheme not in ("http", "https")
        or not parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise SettingError(
            f"{shown} has to be an absolute http or https URL without query, not {value!r}."
        )
    return value.rstrip("/")


_KINDS: Final = {"bytes": _bytes, "url": _url}
