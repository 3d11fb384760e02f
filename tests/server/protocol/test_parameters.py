"""Parameters are read as the URL standard says, whatever stands in them."""

from __future__ import annotations

from collections import Counter
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.http1.errors import MalformedRequest
from server.protocol.errors import ParameterRefused
from server.protocol.parameters import Parameters, of_form

_PIECES = (
    *("a", "4", "=", "&", "+", "%", "%4", "%41", "%zz", "%%", "%3D", "%0A", "%c3%a4", "%C3", "ä"),
    *("\n", "\r\n", "=\n", "_", " ", ";", ".", "\x00"),
)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=20))
def test_what_was_encoded_is_decoded(pairs: list[tuple[str, str]]) -> None:
    """Names and values of any characters arrive as they were, in their order."""
    decoded = list(of_form(urlencode(pairs).encode()))

    named = [(name.strip(), value) for name, value in pairs]
    assert decoded == [each for each in named if each[0] != "_"]


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_any_text_is_read_as_the_standard_library_reads_it(text: str) -> None:
    """Escapes that are none stay as they are; what is not UTF-8 is refused, and trackers dropped."""
    try:
        expected = parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        with pytest.raises(MalformedRequest):
            of_form(text.encode())
        return

    named = [(name.strip(), value) for name, value in expected]
    assert list(of_form(text.encode())) == [each for each in named if each[0] != "_"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=2))))
def test_cardinalities_are_kept(pairs: list[tuple[str, str]]) -> None:
    """A parameter is absent, given once, or refused where it may be given once only."""
    parameters = Parameters(pairs)
    times = Counter(name for name, _ in pairs)

    for name in "abc":
        assert (name in parameters) == (times[name] > 0)
        assert parameters.all(name) == tuple(value for given, value in pairs if given == name)
        if times[name] > 1:
            with pytest.raises(ParameterRefused):
                parameters.at_most_once(name)
        else:
            assert parameters.at_most_once(name) == dict(pairs).get(name)
