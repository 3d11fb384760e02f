"""The SERVICE clauses of a query as text: finding them, what to send instead, what to put in their place."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from kg.engine.endpoint_client import TOO_LARGE
from kg.sparql.bind import canonical_iri
from kg.sparql.errors import QueryError, UpstreamFailed
from kg.sparql.lexer import (
    TRIVIA,
    Token,
    TokenKind,
    closing,
    inconspicuous,
    significant,
    tokens,
    without_service_in_names,
)
from kg.sparql.syntax_errors import at_offset

_TARGETS: Final = (TokenKind.IRI, TokenKind.PREFIXED_NAME, TokenKind.VARIABLE)
_CODEPOINT: Final = re.compile(r"\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}")


@dataclass(frozen=True, slots=True)
class ServiceClause:
    """A SERVICE clause of a query.

    Attributes:
        keyword: its first token.
        silent: whether a failure of the endpoint counts as the empty solution.
        target: the token that names the endpoint.
        group: what to ask, with its braces.
        end: where the text goes on.
        nested: the keyword of a SERVICE inside the group, or None.
    """

    keyword: Token
    silent: bool
    target: Token
    group: str
    end: int
    nested: Token | None

    @property
    def variables(self) -> frozenset[str]:
        """The names of all variables in the group."""
        found = significant(self.group)
        return frozenset(each.text[1:] for each in found if each.kind is TokenKind.VARIABLE)


def clauses(text: str) -> list[ServiceClause]:
    """Find the SERVICE clauses of a query, those inside others left out.

    Raises:
        QuerySyntaxError: one of them is not complete, or there is something that is no token.
    """
    found = significant(text)
    for token in found:
        if token.kind is TokenKind.INVALID:
            detail = f"The character {token.text[0]!r} has no place here."
            raise at_offset(text, detail, token.offset)
    complete: list[ServiceClause] = []
    for place, token in enumerate(found):
        if token.is_word("SERVICE") and not (complete and token.offset < complete[-1].end):
            complete.append(_clause(text, found, place))
    return complete


def _clause(text: str, found: Sequence[Token], keyword: int) -> ServiceClause:
    """Read the clause whose keyword stands at a place."""
    try:
        silent = found[keyword + 1].is_word("SILENT")
        target, opening = found[keyword + 1 + silent : keyword + 3 + silent]
        inner = found[keyword + 3 + silent : closing(found, keyword + 2 + silent) + 1]
    except (IndexError, ValueError):
        inner = []
    if not inner or opening.text != "{" or target.kind not in _TARGETS:
        detail = "SERVICE is not followed by an endpoint and a group in braces."
        raise at_offset(text, detail, found[keyword].offset)
    end = inner[-1].offset + 1
    return ServiceClause(
        keyword=found[keyword],
        silent=silent,
        target=target,
        group=text[opening.offset : end],
        end=end,
        nested=next((each for each in inner if each.is_word("SERVICE")), None),
    )


def with_graph_for_service(text: str) -> str:
    """Write GRAPH for SERVICE, which is legal in the same places, without moving anything else."""
    written = []
    after_service = False
    for token in tokens(text):
        replaced = token.text.isascii() and token.is_word("SILENT" if after_service else "SERVICE")
        instead = "" if after_service else "GRAPH"
        written.append(instead.ljust(len(token.text)) if replaced else token.text)
        if token.kind not in TRIVIA:
            after_service = replaced and not after_service
    return "".join(written)


def prologue(text: str, base_iri: str | None) -> str:
    """Return the declarations of a query but VERSION, with a base IRI that comes from outside."""
    declarations = [] if base_iri is None else [f"BASE {canonical_iri(base_iri)} "]
    kept = True
    for token in tokens(text):
        if token.kind is TokenKind.WORD:
            if not token.is_word("BASE", "PREFIX", "VERSION"):
                break
            kept = not token.is_word("VERSION")
        if kept and token.kind is not TokenKind.COMMENT:
            declarations.append(token.text)
    return "".join(declarations)


def question(declarations: str, group: str) -> str:
    r"""Write the query that asks for the solutions of a group.

    Every parser has to find the same tokens in it, though some decode `\u0053` before they parse,
    and some do without a lexer.

    Raises:
        QueryError: there are such escapes.
    """
    written = []
    for token in tokens(f"{declarations} SELECT * WHERE {group}"):
        comment = token.kind is TokenKind.COMMENT
        if not comment and _CODEPOINT.search(token.text):
            raise QueryError(
                "What SERVICE sends to an endpoint must not have escapes such as \\u00E9, which "
                "not all of them read alike. Write the character itself."
            )
        written.append(" " if comment else token.text)
    return without_service_in_names("".join(written))


def inline_data(table: str, variables: Collection[str], limit: int) -> str:
    """Write solutions as a group with a VALUES block.

    Args:
        table: the solutions, in SPARQL TSV.
        variables: those that may have values; others are left out.
        limit: how many characters there is room for.

    Raises:
        UpstreamFailed: there is no room.
        QueryError: a solution has a value that cannot stand in a query.
    """
    header, *lines = table.removesuffix("\n").split("\n")
    names = header.split("\t")
    kept = [place for place, name in enumerate(names) if name[1:] in variables]
    written = [f"{{ VALUES ({' '.join(names[place] for place in kept)}) {{"]
    for line in lines:
        cells = line.split("\t")
        written.append(f"({' '.join(_term(names[place], cells[place]) for place in kept)})")
        limit -= len(written[-1])
        if limit < 0:
            raise UpstreamFailed(TOO_LARGE)
    return "\n".join((*written, "} }"))


def _term(name: str, cell: str) -> str:
    if cell.startswith(("_:", "<<")) or cell.endswith(("--ltr", "--rtl")):
        raise QueryError(
            f"An endpoint gives a blank node or a triple for {name}, which cannot stand in another "
            f"query. Have {name} left out by a SELECT inside the SERVICE, or its blank nodes by "
            f"FILTER(!ISBLANK({name}))."
        )
    text, quote, rest = cell.rpartition('"')
    return inconspicuous(text) + quote + rest if quote else inconspicuous(cell) or "UNDEF"
