"""A lexer for SPARQL, which tells variables and keywords from what only looks like them.

The engines parse queries; this exists for what their interfaces do not offer: binding values to
variables, recognising SERVICE and volatile functions, and saying where a syntax error is. A token
stream is not fooled by comments, strings, IRIs or prefixed names as a search in the text would be.
The terminals follow https://www.w3.org/TR/sparql11-query/#sparqlGrammar.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urljoin

from kg.rdf.namespaces import PREFIXES
from kg.text_files import patterns


class TokenKind(Enum):
    """The kinds of token that are told apart."""

    SPACE = "space"
    COMMENT = "comment"
    IRI = "iri"
    STRING = "string"
    VARIABLE = "variable"
    BLANK_NODE = "blank_node"
    PREFIXED_NAME = "prefixed_name"
    LANGUAGE = "language"
    NUMBER = "number"
    WORD = "word"
    PUNCTUATION = "punctuation"
    INVALID = "invalid"


class Token(NamedTuple):
    """A piece of a query.

    Attributes:
        kind: what it is.
        text: exactly as written.
        offset: position of its first character in the query, from 0.
    """

    kind: TokenKind
    text: str
    offset: int

    def is_word(self, *words: str) -> bool:
        """Tell whether this is one of the keywords, which are written in upper case here."""
        return self.kind is TokenKind.WORD and self.text.upper() in words


_PARTS, _PATTERNS = patterns(Path(__file__).with_name("terminals.toml"))
NAME_FIRST: Final = _PARTS["name_first"]
NAME_NEXT: Final = _PARTS["name_next"]
_TERMINALS = re.compile(
    "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()), re.DOTALL
)
_KINDS: Final = {kind.value: kind for kind in TokenKind}
TRIVIA: Final = (TokenKind.SPACE, TokenKind.COMMENT)


def tokens(text: str) -> Iterator[Token]:
    """Split a query into tokens that together are exactly the text; never raises.

    What is no SPARQL token, such as a string without its end, comes as INVALID characters.
    """
    for match in _TERMINALS.finditer(text):
        assert match.lastgroup is not None
        yield Token(_KINDS[match.lastgroup], match.group(), match.start())


def significant(text: str) -> list[Token]:
    """Split a query into tokens, leaving out space and comments."""
    return [token for token in tokens(text) if token.kind not in TRIVIA]


FORMS: Final = ("SELECT", "CONSTRUCT", "DESCRIBE", "ASK")
_CLOSING: Final = {"(": ")", "{": "}"}


def closing(found: Sequence[Token], place: int) -> int:
    """Return the place of the bracket that closes the one at a place, of its kind only.

    Raises:
        IndexError: there is none.
    """
    opening = found[place].text
    steps = {opening: 1, _CLOSING[opening]: -1}
    depth = 1
    while depth:
        place += 1
        depth += steps.get(found[place].text, 0)
    return place


VOLATILE = ("NOW", "RAND", "UUID", "STRUUID", "BNODE")


def first_word(text: str, *words: str) -> Token | None:
    """Return the first token of a query that is one of the keywords, or None.

    Args:
        text: the query.
        words: the keywords, in upper case, of those that are sought in this project.
    """
    # What is quick to find out spares most queries being split into tokens.
    alone = _standing_alone(words)
    if letters_of(text).isdisjoint(words) or not alone.search(text):
        return None
    for match in _TERMINALS.finditer(text):  # a token is made of what is sought only
        if match.lastgroup == "word" and match.group().upper() in words:
            return Token(TokenKind.WORD, match.group(), match.start())
    return None


_KEYWORDS: Final = (
    *(*FORMS, *VOLATILE, "SERVICE", "FROM", "GRAPH", "MINUS", "UNION", "ORDER"),
    *("REGEX", "REPLACE"),
)
"""What ``first_word`` may be asked for."""


@lru_cache(maxsize=8)
def letters_of(text: str) -> frozenset[str]:
    """Return the keywords whose letters are anywhere in a text, be they parts of other words.

    Most queries have few, so this one look answers most of what is asked of a text while it runs;
    it is kept for as long as that.
    """
    capitals = text.upper()
    return frozenset([word for word in _KEYWORDS if word in capitals])


@lru_cache(maxsize=32)
def _standing_alone(words: tuple[str, ...]) -> re.Pattern[str]:
    """Return what finds the keywords where they are no part of a longer word, such as in isFrom."""
    assert set(words) <= set(_KEYWORDS), "no other keyword is ever found"
    return re.compile(rf"(?<![A-Za-z_])(?:{'|'.join(words)})(?![A-Za-z0-9_])", re.IGNORECASE)


def is_repeatable(text: str) -> bool:
    """Tell whether a query gives the same answer whenever it is asked of the same data.

    It does not when it calls a function whose value changes from call to call, asks a remote
    endpoint, constructs blank nodes, which are named anew each time, or leaves the order of rows to
    chance.
    """
    return (
        first_word(text, *VOLATILE, "SERVICE") is None
        and not _constructs_blank_nodes(text)
        and (
            first_word(text, "UNION") is None
            or first_word(text.rpartition("}")[2], "ORDER") is not None
            or not _order_varies(text)
        )
    )


AGGREGATES: Final = ("COUNT", "SUM", "MIN", "MAX", "AVG", "SAMPLE", "GROUP_CONCAT")


def _order_varies(text: str) -> bool:
    """Tell whether Oxigraph may order the branches of a UNION anew each time.

    It does so by names, some of which it makes up: of aggregates, of blank nodes in brackets, and
    of what is between the steps of a path.
    """
    varies = in_branch = False
    around: list[tuple[bool, bool]] = []
    before = Token(TokenKind.SPACE, "", 0)
    for token, following in pairwise([*significant(text), before]):
        if token.text == "{":
            around.append((varies, before.is_word("UNION")))
            varies = False
        elif token.text == "}" and around:
            varied, is_branch = around.pop()
            in_branch = in_branch or (varies and (is_branch or following.is_word("UNION")))
            varies = varies or varied
        elif token.text in _NAMED_AT_RANDOM or token.is_word(*AGGREGATES):
            varies = True
        before = token
    return in_branch


_NAMED_AT_RANDOM: Final = ("[", "/")

_MAKING_NODES: Final = ("[", "(", "<<", "{|", "~")


def _constructs_blank_nodes(text: str) -> bool:
    """Tell whether the template of a CONSTRUCT query has blank nodes, brackets, lists or reifiers."""
    construct = first_word(text, "CONSTRUCT")
    if construct is None:
        return False
    template = takewhile(lambda token: token.text != "}", tokens(text[construct.offset :]))
    return any(each.kind is TokenKind.BLANK_NODE or each.text in _MAKING_NODES for each in template)


_UPDATES = ("INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY", "WITH")


def is_update(text: str) -> bool:
    """Tell whether a text, if it is SPARQL, is an update: by its first word after the prologue."""
    for token in significant(text):
        if token.kind is TokenKind.WORD and not token.is_word("BASE", "PREFIX", "VERSION"):
            return token.is_word(*_UPDATES)
    return False


_SERVICE = re.compile("(s)(e)(rvice)", re.IGNORECASE)

_SOUGHT = re.compile(
    # What it may begin with is looked at first, which takes a fourth of the time.
    rf"(?=[BCFGNRSU])(?:{'|'.join(('SERVICE', 'FROM', 'GRAPH', 'CONSTRUCT', *VOLATILE))})",
    re.IGNORECASE,
)


def inconspicuous(term: str) -> str:
    """Escape letters of a string or an IRI, so that it has none of the keywords looked for here.

    It means the same. A long query made of such terms is not split into tokens for their sake.
    """
    # The last letter of each, as the first may be the letter of an escape that stands there.
    return _SOUGHT.sub(lambda found: f"{found[0][:-1]}\\u{ord(found[0][-1]):04x}", term)


def without_hidden_service(text: str) -> str:
    r"""Rewrite a query so that no parser finds the keyword SERVICE where this lexer finds none.

    Oxigraph parses without a lexer. It takes the beginning of `SERVICE:x`, a prefixed name, for
    the keyword, and the middle of `1<2)SERVICE#>`, an IRI with what comes before. Here the letters
    are escaped (`S\u0045RVICE`), which inside strings and IRIs means the same and is an error where
    a keyword could stand; prefixed names that have them become IRIs; comments and blank node labels lose them.
    """
    return _rewritten(text, _without_service)


def without_service_in_names(text: str) -> str:
    """Rewrite a query so that a parser without a lexer finds no keyword SERVICE in a name.

    Prefixed names that have the letters become IRIs, labels of blank nodes lose them.
    """
    return _rewritten(text, _spelled_out)


def _rewritten(text: str, rewrite: Callable[[Token, Mapping[str, str]], str]) -> str:
    """Rewrite the tokens of a query that has the letters of SERVICE, given its namespaces."""
    if "SERVICE" not in letters_of(text):
        return text
    known = namespaces(text)
    written = []
    before: Token | None = None
    for token in tokens(text):
        declares = before is not None and before.is_word("PREFIX")
        written.append(token.text if declares else rewrite(token, known))
        if token.kind not in TRIVIA:
            before = token
    return "".join(written)


_KEPT = (TokenKind.VARIABLE, TokenKind.LANGUAGE)
"""What cannot be taken apart, since it begins with a character that no keyword follows."""


def _without_service(token: Token, namespaces: Mapping[str, str]) -> str:
    if token.kind in _KEPT or token.is_word("SERVICE") or not _SERVICE.search(token.text):
        return token.text
    if token.kind is TokenKind.COMMENT:
        return _SERVICE.sub(r"\1-\3", token.text)
    return _SERVICE.sub(
        lambda found: f"{found[1]}\\u{ord(found[2]):04x}{found[3]}", _spelled_out(token, namespaces)
    )


def _spelled_out(token: Token, namespaces: Mapping[str, str]) -> str:
    if token.kind is TokenKind.BLANK_NODE:
        return _SERVICE.sub(r"\1-\3", token.text)
    prefix, _, local = token.text.partition(":")
    named = token.kind is TokenKind.PREFIXED_NAME and prefix in namespaces
    if not named or not _SERVICE.search(token.text):
        return token.text
    unescaped = re.sub(r"\\(.)", r"\1", local)
    return f" <{namespaces[prefix]}{unescaped}> "


def namespaces(text: str) -> dict[str, str]:
    """Return the namespaces that a query declares, by prefix."""
    found = significant(text)
    return {
        name.text[:-1]: iri.text[1:-1]
        for keyword, name, iri in zip(found, found[1:], found[2:], strict=False)
        if keyword.is_word("PREFIX") and iri.kind is TokenKind.IRI
    }


def named_iris(text: str, base: str = "") -> Iterator[tuple[str, int, bool]]:
    """Yield the IRIs that a query names, with offsets, and whether they are said to be graphs.

    They may be whole, relative to BASE or to what is given, or begin with a declared or known prefix.
    """
    declared = dict(PREFIXES)
    two = one = Token(TokenKind.WORD, "", 0)
    for token in significant(text):
        prefix, _, local = token.text.partition(":")
        is_graph = one.is_word("GRAPH", "FROM") or (one.is_word("NAMED") and two.is_word("FROM"))
        if token.kind is TokenKind.IRI:
            iri = token.text[1:-1] if local else urljoin(base, token.text[1:-1])
            if one.is_word("BASE"):
                base = iri
            elif two.is_word("PREFIX"):
                declared[one.text[:-1]] = iri
            elif iri not in declared.values():
                yield iri, token.offset, is_graph
        elif token.kind is TokenKind.PREFIXED_NAME and local:
            yield declared.get(prefix, "") + local.replace("\\", ""), token.offset, is_graph
        two, one = one, token


def undeclared(text: str) -> set[str]:
    """Return the prefixes that a query uses and does not declare."""
    names = (token for token in significant(text) if token.kind is TokenKind.PREFIXED_NAME)
    return {token.text.partition(":")[0] for token in names} - namespaces(text).keys()
