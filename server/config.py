"""The settings of the service: one table, read from a mapping and from the environment."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from server.data import rows
from server.http1.hosts import is_host
from server.log import STANDARD_ERROR, opened

ENVIRONMENT_PREFIX: Final = "DERMOGRAPH_"
"""A setting NAME is read from the environment variable DERMOGRAPH_NAME."""


class SettingError(Exception):
    """A setting is unknown or has an illegal value; the message names it."""


SETTINGS: Final = {row["name"]: row for row in rows("config")}
"""The rows of every setting, by its name in a mapping; in the environment DERMOGRAPH_ stands before it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of the settings, see SETTINGS for what each of them does."""

    public_url: str | None
    context_url: str | None
    max_url_bytes: int
    max_body_bytes: int
    max_query_bytes: int
    max_result_bytes: int
    query_seconds: float
    max_query_seconds: float
    query_memory_bytes: int
    isolation: str
    query_queue: int
    service_allowed: tuple[str, ...]
    service_private_allowed: tuple[str, ...]
    service_seconds: float
    service_bytes: int
    http_processes: int
    cache_bytes: int
    access_log: str | None
    slow_query_seconds: float | None
    log_debug: str
    engine: str | None
    engine_user: str | None = field(repr=False)
    engine_password: str | None = field(repr=False)
    engine_token: str | None = field(repr=False)
    engine_connections: int

    @property
    def prefix(self) -> str:
        """The path of the public URL, as WSGI has paths; empty if it has none."""
        path = urlsplit(self.public_url or "").path
        return unquote_to_bytes(path).decode("latin-1")

    @property
    def service_endpoints(self) -> tuple[str, ...]:
        """The endpoints that queries may ask with SERVICE, wherever they are."""
        return self.service_allowed + self.service_private_allowed


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
    values = {name: _default(row) for name, row in SETTINGS.items()}
    for source, prefix in ((from_environment, ENVIRONMENT_PREFIX), (given or {}, "")):
        for name, value in source.items():
            shown = prefix + name
            if name not in SETTINGS:
                known = ", ".join(sorted(SETTINGS))
                raise SettingError(f"There is no setting {shown}. The settings are {known}.")
            values[name] = _KINDS[SETTINGS[name]["kind"]](value, shown)
    return Settings(**{name.lower(): value for name, value in values.items()})


def _default(row: Mapping[str, str]) -> Any:
    if row["default"].isdigit():
        return int(row["default"])
    return row["default"] or (() if row["kind"] == "endpoints" else None)


_MOST_BYTES: Final = 10**15  # more than any machine has
_MOST: Final = 1_000
"""Of processes and of queries that wait: a judgement, beyond which no machine is of use."""


def _number(
    pattern: str, kind: type[int | float], most: float, words: str
) -> Callable[[object, str], int | float]:
    """Return what reads a number that is written in some way, above 0 and up to another."""

    def read(value: object, shown: str) -> int | float:
        number = kind(str(value)) if re.fullmatch(pattern, str(value).strip(), re.ASCII) else 0
        if not 0 < number <= most:
            raise SettingError(f"{shown} has to be {words}, not {value!r}.")
        return number

    return read


def _switch(value: object, shown: str) -> str:
    if value not in ("on", "off"):
        raise SettingError(f"{shown} has to be on or off, not {value!r}.")
    return str(value)


_URL: Final = re.compile(
    r"(?i:https?)://(?P<host>[^/?#]+)"
    r"(?:/(?!\.\.?(?:/|$))(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*/?"
)


def _url(value: object, shown: str) -> str | None:
    if value is None:
        return None
    match = _URL.fullmatch(value) if isinstance(value, str) else None
    if match is None or not is_host(match["host"]):
        raise SettingError(
            f"{shown} has to be an absolute http or https URL without query, not {value!r}."
        )
    return match[0].rstrip("/")


def _endpoints(value: object, shown: str) -> tuple[str, ...]:
    given = value.split() if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        raise SettingError(f"{shown} has to be URLs with space between them, not {value!r}.")
    if given:
        from kg.engine.endpoint_client import Endpoint  # noqa: PLC0415 - seldom needed

        try:
            for iri in given:
                Endpoint.named(iri)
        except ValueError as error:
            raise SettingError(f"{shown}: {error}") from error
    return tuple(given)


def _secret(value: object, shown: str) -> str | None:
    if value is not None and not re.fullmatch("[ -~]+", str(value)):
        raise SettingError(f"{shown} has to be in printable ASCII.")
    return None if value is None else str(value)


def _log(value: object, shown: str) -> str | None:
    if value is None or value == STANDARD_ERROR:
        return value
    if not isinstance(value, str) or not value:
        raise SettingError(f"{shown} has to be the path of a file, or -, not {value!r}.")
    try:
        opened(value).close()
    except OSError as error:
        raise SettingError(f"{shown}: {value} cannot be written: {error.strerror}.") from error
    return value


_KINDS: Final[Mapping[str, Callable[[Any, str], object]]] = {
    "bytes": _number(r"\d{1,30}", int, _MOST_BYTES, f"a whole number from 1 to {_MOST_BYTES}"),
    "count": _number(r"\d{1,30}", int, _MOST, f"a whole number from 1 to {_MOST}"),
    "seconds": _number(r"\d{1,9}(\.\d{1,9})?", float, math.inf, "a number of seconds above 0"),
    "url": _url,
    "switch": _switch,
    "endpoint": lambda value, shown: _endpoints([value], shown)[0] if value else None,
    "endpoints": _endpoints,
    "secret": _secret,
    "log": _log,
}
"""How a value is read, by what it has to be: a whole number above 0 (bytes, count), a number above 0
(seconds), the URL of an endpoint or several with space between them, on or off (switch), what is not
shown (secret), or the path of a file that can be written, or - (log)."""
