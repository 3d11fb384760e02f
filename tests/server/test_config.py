"""Settings come from one table, and a wrong one is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kg
from server import create_app
from server.config import SETTINGS, SettingError, read


def test_defaults_hold_when_nothing_is_said() -> None:
    """Every setting has its default."""
    settings = read({}, {})

    for name, setting in SETTINGS.items():
        value = getattr(settings, name.lower())
        assert (str(value) if value else "") == setting["default"]


def test_what_is_given_comes_before_the_environment() -> None:
    """A mapping beats a variable, a variable beats the default."""
    environment = {"DERMOGRAPH_MAX_URL_BYTES": "20000", "DERMOGRAPH_MAX_BODY_BYTES": "30000"}

    settings = read({"MAX_URL_BYTES": 10_000}, {**environment, "OTHER": "x"})

    assert (settings.max_url_bytes, settings.max_body_bytes) == (10_000, 30_000)


def test_the_public_url_loses_its_last_slash() -> None:
    """Addresses are appended to it, so it has no slash at its end."""
    assert read({"PUBLIC_URL": "https://x.test/kg/"}, {}).public_url == "https://x.test/kg"


def test_endpoints_are_listed_with_space_between_them() -> None:
    """Several URLs stand in one variable."""
    listed = "https://e.example/sparql http://127.0.0.1:3030/sparql"

    assert read({}, {"DERMOGRAPH_SERVICE_ALLOWED": f" {listed}\n"}).service_endpoints == (
        "https://e.example/sparql",
        "http://127.0.0.1:3030/sparql",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_URL_BITES", 1),
        ("MAX_URL_BYTES", 0),
        ("MAX_URL_BYTES", -5),
        ("MAX_URL_BYTES", 1.5),
        ("MAX_URL_BYTES", True),
        ("MAX_URL_BYTES", "many"),
        ("MAX_URL_BYTES", ""),
        ("SERVICE_ALLOWED", "https://e.example/ e.example"),
        ("SERVICE_ALLOWED", "https://user@e.example/"),
        ("SERVICE_ALLOWED", ["https://e.example/#"]),
        ("SERVICE_PRIVATE_ALLOWED", "file:///e"),
        ("SERVICE_PRIVATE_ALLOWED", 7),
        ("PUBLIC_URL", "dermograph.example"),
        ("PUBLIC_URL", "ftp://dermograph.example"),
        ("PUBLIC_URL", "https://x.test/?a=b"),
        ("PUBLIC_URL", 7),
        ("PUBLIC_URL", "http://[::1/"),
        ("PUBLIC_URL", "http://[::x]/"),
        ("PUBLIC_URL", "http://x:port/"),
        ("PUBLIC_URL", "http://x:99999/"),
        ("PUBLIC_URL", "http://a b/"),
        ("PUBLIC_URL", 'http://x"><b>/'),
        ("PUBLIC_URL", "http://user@x/"),
        ("PUBLIC_URL", "http://x/a%zz"),
        ("PUBLIC_URL", "http://x/a%2"),
        ("HTTP_PROCESSES", "9999999999999999999999"),
        ("HTTP_PROCESSES", 1_001),
        ("CACHE_BYTES", 10**16),
        ("ISOLATION", "of"),
        ("ISOLATION", False),
    ],
)
def test_a_wrong_setting_is_named(graph: kg.KnowledgeGraph, name: str, value: object) -> None:
    """An unknown setting or an illegal value is an error that names it."""
    with pytest.raises(SettingError, match=name):
        create_app({name: value}, graph)


def test_a_wrong_variable_is_named_as_it_is_in_the_environment() -> None:
    """The error names the variable, so that it can be found."""
    with pytest.raises(SettingError, match="DERMOGRAPH_MAX_URL_BYTES"):
        read({}, {"DERMOGRAPH_MAX_URL_BYTES": "x"})
    with pytest.raises(SettingError, match="DERMOGRAPH_COLOUR"):
        read({}, {"DERMOGRAPH_COLOUR": "red"})


def test_every_setting_is_documented() -> None:
    """docs/deploying.md has a row for every setting, with its default."""
    text = (Path(__file__).parents[2] / "docs" / "deploying.md").read_text(encoding="utf-8")

    for name, setting in SETTINGS.items():
        default = setting["default"]
        shown = f"{int(default):,}" if default.isdigit() else default
        assert re.search(rf"^\| `DERMOGRAPH_{name}` \| {shown} *\|", text, re.MULTILINE)
