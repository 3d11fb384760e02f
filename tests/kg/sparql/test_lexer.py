"""The lexer: pieces that together are the text, told apart as the grammar of SPARQL does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.sparql.lexer import (
    TokenKind,
    first_word,
    is_repeatable,
    is_update,
    significant,
    tokens,
    without_hidden_service,
)

_SYNTAX = st.text(st.sampled_from("?$sé:.<>{}()[]'\"\\#@_-+*/^|&!=,;% \t\r\n0123aESERVICE\u0300"))


@given(st.one_of(st.text(), _SYNTAX))
def test_the_tokens_together_are_the_text(text: str) -> None:
    """Nothing is lost or added, for any text, and offsets say where each token stands."""
    found = list(tokens(text))

    assert "".join(token.text for token in found) == text
    assert all(text.startswith(token.text, token.offset) for token in found)
    assert all(token.text for token in found)


_N = 200_000


@pytest.mark.parametrize(
    "text",
    [
        "'" + "\\'" * _N,
        '"' + '\\"' * _N,
        "'''" + "\\''' " * _N,
        '"' * (2 * _N + 1),
        "'\"" * _N,
        "<" * _N,
        "<a" * _N,
        "<<a " * _N,
        ":a." * _N,
        ":" + "." * _N,
        ":a" + "." * _N,
        "a." * _N,
        "a-" * _N,
        "a" * _N,
        "_:a." * _N,
        "_:a" + "." * _N,
        "%4" * _N,
        "@a" + "-" * _N,
        "1" * _N,
        "1e" * _N,
        "#" * _N,
        "\\" * _N,
        "?" * _N,
        "{(" * _N,
        "SERVICE " * 20_000,
        "a:SERVICE " * 20_000,
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_hostile_text_is_split_in_one_pass(text: str) -> None:
    """Long texts made to be scanned again and again are split like any other."""
    assert sum(len(token.text) for token in tokens(text)) == len(text)
    assert without_hidden_service(text)


_EXAMPLES = (
    ("SELECT", TokenKind.WORD),
    ("émission", TokenKind.WORD),
    ("?x", TokenKind.VARIABLE),
    ("$x_1", TokenKind.VARIABLE),
    ("?1", TokenKind.VARIABLE),
    ("?é", TokenKind.VARIABLE),
    ("?e\u0301", TokenKind.VARIABLE),
    ("?x·y", TokenKind.VARIABLE),
    ("<http://example.org/a#b>", TokenKind.IRI),
    ("<>", TokenKind.IRI),
    ("<#a>", TokenKind.IRI),
    ("<http://example.org/?q=1&r='x'>", TokenKind.IRI),
    ("<http://example.org/\\u00e9\\U0001F600>", TokenKind.IRI),
    ("'a'", TokenKind.STRING),
    ('"a\\"b # ?c"', TokenKind.STRING),
    ("''", TokenKind.STRING),
    ("'''a\n'b''c'''", TokenKind.STRING),
    ('"""a\n"b""c\\""""', TokenKind.STRING),
    ("_:b1", TokenKind.BLANK_NODE),
    ("_:b.1", TokenKind.BLANK_NODE),
    ("ex:a", TokenKind.PREFIXED_NAME),
    ("ex:", TokenKind.PREFIXED_NAME),
    (":", TokenKind.PREFIXED_NAME),
    (":a", TokenKind.PREFIXED_NAME),
    ("ex:1.1.1.1", TokenKind.PREFIXED_NAME),
    ("ex.org:a:b", TokenKind.PREFIXED_NAME),
    ("ex:a\\/b\\#c%20d", TokenKind.PREFIXED_NAME),
    ("@en", TokenKind.LANGUAGE),
    ("@de-AT", TokenKind.LANGUAGE),
    ("12", TokenKind.NUMBER),
    ("1.5", TokenKind.NUMBER),
    (".5", TokenKind.NUMBER),
    ("1.5e-10", TokenKind.NUMBER),
    ("# to the end ?x", TokenKind.COMMENT),
    (" \t\r\n", TokenKind.SPACE),
    ("^^", TokenKind.PUNCTUATION),
    ("&&", TokenKind.PUNCTUATION),
    ("<=", TokenKind.PUNCTUATION),
    ("<<", TokenKind.PUNCTUATION),
    ("{", TokenKind.PUNCTUATION),
    ("\\'", TokenKind.INVALID),
    ("\u00a0", TokenKind.INVALID),
    ("\u2028", TokenKind.INVALID),
    ("`", TokenKind.INVALID),
    ("'", TokenKind.INVALID),
)


@pytest.mark.parametrize(("text", "kind"), _EXAMPLES)
def test_a_token_of_each_kind(text: str, kind: TokenKind) -> None:
    """Each of these is one token of its kind."""
    assert [(token.text, token.kind) for token in tokens(text)] == [(text, kind)]


def test_there_is_an_example_of_every_kind() -> None:
    """The table above leaves no kind out."""
    assert {kind for _, kind in _EXAMPLES} == set(TokenKind)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("?a<?b", ["?a", "<", "?b"]),
        ("?a < ?b && ?c > ?d", ["?a", "<", "?b", "&&", "?c", ">", "?d"]),
        ("1<<http://e/#>)", ["1", "<", "<http://e/#>", ")"]),
        ("<< ?s ?p ?o >>", ["<<", "?s", "?p", "?o", ">>"]),
        ("ex:a.", ["ex:a", "."]),
        ("ex:a.b.", ["ex:a.b", "."]),
        ("_:a.", ["_:a", "."]),
        ("'a'@en", ["'a'", "@en"]),
        ("'1'^^xsd:integer", ["'1'", "^^", "xsd:integer"]),
        ("'a' # 'b\n'c'", ["'a'", "'c'"]),
        ("?s?p?o", ["?s", "?p", "?o"]),
        ("?s ex:p?/ex:q ?o", ["?s", "ex:p", "?", "/", "ex:q", "?o"]),
        ("'a\nb'", ["'", "a", "b", "'"]),
        ("'''a'", ["''", "'a'"]),
        ("(COUNT(?s)AS?n)", ["(", "COUNT", "(", "?s", ")", "AS", "?n", ")"]),
        ("?x-1", ["?x", "-", "1"]),
    ],
)
def test_tokens_end_where_they_end(text: str, expected: list[str]) -> None:
    """Neighbours without space between them are told apart."""
    assert [token.text for token in significant(text)] == expected


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("ASK { SERVICE <http://e/> {} }", 6),
        ("ASK { Service<http://e/>{} }", 6),
        ("ASK { <http://e/SERVICE> ?p 'SERVICE' } # SERVICE", None),
        ("ASK { ?SERVICE ex:SERVICE SERVICE:x }", None),
        ("ASK {}", None),
    ],
)
def test_the_service_keyword_is_found(text: str, offset: int | None) -> None:
    """Only the keyword counts, in any case."""
    found = first_word(text, "SERVICE")

    assert (found and found.offset) == offset


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("SELECT * FROM <http://e/> {}", True),
        ("SELECT * from named ex:g {}", True),
        ("SELECT * { ?from ex:FROM 'FROM' } # FROM", False),
    ],
)
def test_a_dataset_clause_is_found(text: str, named: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Only the keyword FROM counts."""
    assert (first_word(text, "FROM") is not None) is named


def test_federated_queries_are_not_repeatable() -> None:
    """What a remote endpoint says may change."""
    assert not is_repeatable("ASK { SERVICE <http://e/> {} }")


@pytest.mark.parametrize(
    ("text", "update"),
    [
        ("INSERT DATA {}", True),
        ("# SELECT\nPREFIX ex: <http://e/> BASE <http://e/> load <http://e/>", True),
        ("SELECT * { ?s ?p ?o } # INSERT", False),
        ("PREFIX insert: <http://e/> ASK { insert:x ?p ?o }", False),
        ("", False),
    ],
)
def test_an_update_is_known_by_its_first_word(text: str, update: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The prologue does not count."""
    assert is_update(text) is update


def test_a_text_without_the_letters_of_service_is_left_alone() -> None:
    """Nearly all queries go to the engine as they were written."""
    text = "SELECT * { ?s ?p 'serv' } # ice"

    assert without_hidden_service(text) is text


@given(
    st.lists(
        st.sampled_from(
            ["service", "SERVICE", ":", "<", ">", "'", "#", "\n", ".", "a", "_:", "@", "{"]
        )
    )
)
def test_no_keyword_service_is_left_hidden(pieces: list[str]) -> None:
    """After the rewriting the letters stand in keywords, variables, declarations and tags only."""
    text = "".join(pieces)
    kinds = {
        token.kind
        for token in tokens(without_hidden_service(text))
        if "service" in token.text.lower()
    }

    assert kinds <= {TokenKind.WORD, TokenKind.VARIABLE, TokenKind.LANGUAGE}
