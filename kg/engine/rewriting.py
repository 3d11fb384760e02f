"""Writing queries so that Oxigraph answers them as the specification says.

Oxigraph 0.5 deviates from SPARQL 1.1 in few places that the text of a query shows. There the text is
replaced by another that means the same and that it gets right. Section numbers below are those of
https://www.w3.org/TR/sparql11-query/; why the texts mean the same:

**GRAPH** (18.6: eval(D(G), Graph(x, P)) is the union, over the graphs i, of eval(D(i), P) joined with
x -> i; for an IRI that names no graph it is empty). Oxigraph evaluates P once, with ?x in each
pattern. Let T(P) give eval(D(i), P), each solution with x -> i. Then T distributes over join, left
join, union, FILTER and BIND, since both sides always bind x, and Oxigraph's reading of a pattern is
T of it. What is no pattern (VALUES, {}, nested GRAPH, the left side of a first OPTIONAL) is joined
with ``GRAPH ?x {}``, which gives just the names. A SELECT in P also has to give ?x, and to group by
it; without GROUP BY (18.5: one group even of no solutions) a second branch gives the groups of the
graphs without solutions. A slice of each graph cannot be written, and is refused. MINUS (18.5)
removes only solutions that share a variable: where no variable but x is shared it removes nothing,
and is left out, also in OPTIONAL, where Oxigraph shares what is outside.
As x is joined last, an x inside P is another variable; it is renamed, and compared afterwards.

**Zero-length paths** (18.4: ALP begins with the term itself, whether or not it is in the graph). If
a constant is not in the graph, a path that can have no length gives just that constant, and
Oxigraph nothing; so where it is not, that solution takes the place of the pattern.

**Alternatives** (18.2.2.4 and 18.5: eval(Path(X, alt(P, Q), Y)) is a union, which keeps duplicates;
a sequence is a join of its steps). Oxigraph drops duplicates, so where they count, and outside of ``*``, ``+`` and ``?``, which drop them too, UNION is written, with variables in sequences.

**BNODE(string)** (17.4.2.9: other than all blank nodes of the data and of other solutions). Oxigraph
takes the string as the label, so a digest of it, and of a UUID of the solution, is put in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, Final, NamedTuple, TypeAlias, TypeGuard

from kg.engine.diagnosis import limitation
from kg.engine.errors import EngineLimitation
from kg.engine.tokens import (
    AGGREGATES,
    VOLATILE,
    Token,
    TokenKind,
    first_word,
    significant,
    tokens,
)

_CONCERNED: Final = re.compile(
    r"(?<![\w/:.#-])(?:graph|minus)(?![\w/:>-])|\bbnode\s*\(\s*[^)\s]|(?<![|{])\|(?![|}])"
    r"|(?<!select)(?<!distinct)(?<!reduced)(?<!describe)(?<=[\w>)])\s*\*"
    r"|(?<=[\w>)])\s*\?(?!\w)",
    re.IGNORECASE,
)
"""What is quick to find out spares most queries being parsed."""

_IN_TRIPLES: Final = ("A", "TRUE", "FALSE")
_BRACES: Final = ("{", "}")
_OPERATORS: Final = ("|", "*", "?")
_REIFYING: Final = ("<<", "<<(", "{|", "~")
_MOST_CHARACTERS: Final = 1_000_000
_DEEPEST: Final = 100


def concerns(text: str) -> bool:
    """Tell whether a query may have something to rewrite."""
    return _CONCERNED.search(text) is not None


def rewritten(
    text: str, holds: Callable[[str], bool], columns: Callable[[str], Sequence[str]]
) -> str:
    """Write a query so that Oxigraph answers it rightly.

    Args:
        text: a query; one that is not legal, or not understood, is given as it is.
        holds: answers an ASK query from the default graph that the query has.
        columns: gives the names of the columns of a SELECT query.

    Raises:
        EngineLimitation: it would be answered wrongly, and cannot be written otherwise.
    """
    try:
        return _Rewriting(text, holds, columns).query()
    except (_Unfamiliar, IndexError, RecursionError):
        return text


def legal(text: str) -> str | None:
    """Write legal SPARQL that Oxigraph's parser refuses so that it takes it; None if there is none.

    ASK, CONSTRUCT and DESCRIBE with GROUP BY or HAVING (grammar rules 10 to 12, 18) ask for what a
    SELECT in their pattern gives (18.2.4, 12). A name that a SELECT gives to an expression may stand in
    later ones (16.1.2), of which each extends the solutions (18.2.4.4), as the expression itself does.
    """
    try:
        parser = _Parser(text)
        form = parser.form()
        if parser.is_word(form, "SELECT"):
            return _with_names_replaced(parser, parser.select(form))
        is_template = parser.is_word(form, "CONSTRUCT")
        head = parser.closing(form + 1) if is_template else form
        group = parser.group(parser.before_group(head + 1))
        modifiers, end = parser.modifiers(group.end)
    except (_Unfamiliar, IndexError):
        return None
    if not parser.is_word(modifiers.begin, "GROUP", "HAVING"):
        return None
    columns = " ".join(_keys(parser, modifiers)) or f"(COUNT(*) AS {parser.unused()})"
    grouped = f"SELECT {columns} WHERE{parser.raw(group.begin, end)}"
    return f"{parser.raw(0, group.begin)} {{ {grouped} }}{parser.raw(end, len(parser.found))}"


def _keys(parser: _Parser, modifiers: _Expression) -> list[str]:
    """Give the variables that a solution after GROUP BY has."""
    keys = []
    place = modifiers.begin
    while place < modifiers.end and not parser.is_word(place, "HAVING", "ORDER", "LIMIT", "OFFSET"):
        if parser.is_text(place, "("):
            place = parser.closing(place)
            keys += [parser.found[place - 1].text] if parser.is_word(place - 2, "AS") else []
        elif parser.found[place].kind is _VARIABLE:
            keys.append(parser.found[place].text)
        place += 1
    return keys


def _with_names_replaced(parser: _Parser, select: _Select) -> str | None:
    """Write the expressions of a SELECT in place of the names that it gives them."""
    meanings: dict[str, str] = {}
    items = []
    for item, named in select.items:
        if named == item.begin:
            items.append(parser.raw(named, named + 1))
            continue
        meaning = "".join(
            meanings.get(parser.found[place].text[1:]) or parser.raw(place, place + 1)
            for place in range(item.begin + 1, named - 1)
        )
        if len(meaning) > _MOST_CHARACTERS or first_word(meaning, *VOLATILE):
            return None
        meanings[parser.found[named].text[1:]] = f" ({meaning})"
        items.append(f" ({meaning} AS {parser.found[named].text})")
    if not meanings:
        return None
    head = parser.raw(0, select.items[0][0].begin)
    return f"{head}{''.join(items)}{parser.raw(select.where, len(parser.found))}"


class _Unfamiliar(Exception):
    """The text is not the SPARQL 1.1 that is parsed here."""


@dataclass(slots=True)
class _Expression:
    """Tokens of an expression, or of modifiers: where they begin and end, and the groups of EXISTS."""

    begin: int
    end: int
    groups: dict[int, _Group] = field(default_factory=dict)


@dataclass(slots=True)
class _Triples:
    begin: int
    end: int


@dataclass(slots=True)
class _Values(_Triples):
    pass


@dataclass(slots=True)
class _Filter:
    expression: _Expression


@dataclass(slots=True)
class _Bind:
    """BIND, and the place of the variable that it binds."""

    expression: _Expression
    variable: int


@dataclass(slots=True)
class _Union:
    groups: list[_Group]


@dataclass(slots=True)
class _Beside:
    """OPTIONAL or MINUS with its group."""

    keyword: int
    group: _Group


@dataclass(slots=True)
class _Graph:
    name: int
    group: _Group


@dataclass(slots=True)
class _Select:
    """A SELECT; the items are with the places of the variables that they give, none for `*`."""

    begin: int
    end: int
    is_distinct: bool
    items: list[tuple[_Expression, int]]
    where: int
    group: _Group
    modifiers: _Expression
    values: int


@dataclass(slots=True)
class _Group:
    begin: int
    end: int
    elements: list[_Element]


_Element: TypeAlias = _Triples | _Filter | _Bind | _Union | _Beside | _Graph | _Select


class _Around(NamedTuple):
    """The GRAPH around a pattern: its name, and whether that is a variable."""

    name: str
    is_variable: bool

    @property
    def anchor(self) -> str:
        return f" GRAPH {self.name} {{}} "


class _Parser:
    """Finds the groups of a query and what they are made of; raises _Unfamiliar at anything else."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found = significant(text)
        ends = [0, *(each.offset + len(each.text) for each in self.found)]
        self.gaps = [each.offset > end for each, end in zip(self.found, ends, strict=False)]
        self._depth = 0
        if any(each.kind is TokenKind.INVALID for each in self.found):
            raise _Unfamiliar

    def raw(self, begin: int, end: int) -> str:
        """Give tokens as they stand in the text, without comments."""
        return "".join(
            f" {self.found[place].text}" if self.gaps[place] else self.found[place].text
            for place in range(begin, end)
        )

    def variables(self, begin: int, end: int) -> set[str]:
        """Give the names of the variables among tokens."""
        return {each.text[1:] for each in self.found[begin:end] if each.kind is _VARIABLE}

    def form(self) -> int:
        """Give the place of the word that says what is asked."""
        for place in range(len(self.found)):
            if self.is_word(place, *_FORMS):
                return place
        raise _Unfamiliar

    def unused(self) -> str:
        """Give a variable that the query does not have."""
        taken = self.variables(0, len(self.found))
        return next(f"?_{number}" for number in count() if f"_{number}" not in taken)

    def is_word(self, place: int, *words: str) -> bool:
        return place < len(self.found) and self.found[place].is_word(*words)

    def is_text(self, place: int, *texts: str) -> bool:
        return place < len(self.found) and self.found[place].text in texts

    def closing(self, place: int) -> int:
        """Give the place of the bracket that closes the one at a place."""
        opening = self.found[place].text
        if opening not in _CLOSING:
            raise _Unfamiliar
        closing = _CLOSING[opening]
        depth = 0
        while True:
            depth += {opening: 1, closing: -1}.get(self.found[place].text, 0)
            if depth == 0:
                return place
            place += 1

    def group(self, begin: int) -> _Group:
        """Parse the group that opens at a place."""
        if not self.is_text(begin, "{"):
            raise _Unfamiliar
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Unfamiliar
        elements: list[_Element] = []
        place = begin + 1
        while not self.is_text(place, "}"):
            if self.is_text(place, "."):
                place += 1
                continue
            element, place = self._element(place)
            elements.append(element)
        self._depth -= 1
        return _Group(begin, place + 1, elements)

    def _element(self, place: int) -> tuple[_Element, int]:
        token = self.found[place]
        if token.text == "{":
            groups = [self.group(place)]
            while self.is_word(groups[-1].end, "UNION"):
                groups.append(self.group(groups[-1].end + 1))
            return _Union(groups), groups[-1].end
        if token.kind is not TokenKind.WORD or token.is_word(*_IN_TRIPLES):
            end = place
            while self._is_in_triples(self.found[end]):
                end += 1
            return _Triples(place, end), end
        if token.is_word("SELECT"):
            select = self.select(place)
            return select, select.end
        if token.is_word("OPTIONAL", "MINUS"):
            beside = _Beside(place, self.group(place + 1))
            return beside, beside.group.end
        if token.is_word("GRAPH"):
            graph = _Graph(place + 1, self.group(place + 2))
            return graph, graph.group.end
        if token.is_word("FILTER"):
            filter_ = _Filter(self.expression(place, self._end_of_constraint(place + 1)))
            return filter_, filter_.expression.end
        if token.is_word("BIND"):
            end = self.closing(place + 1)
            return _Bind(self.expression(place, end + 1), end - 1), end + 1
        if token.is_word("VALUES"):
            end = self.end_of_values(place)
            return _Values(place, end), end
        raise _Unfamiliar

    @staticmethod
    def _is_in_triples(token: Token) -> bool:
        if token.kind is TokenKind.WORD:
            return token.text.upper() in _IN_TRIPLES
        return token.text not in _BRACES

    def end_of_values(self, place: int) -> int:
        opening = self.closing(place + 1) + 1 if self.is_text(place + 1, "(") else place + 2
        return self.closing(opening) + 1

    def _end_of_constraint(self, place: int) -> int:
        while self.found[place].text not in ("(", "{"):  # as in before_group
            place += 1
        return self.closing(place) + 1

    def expression(self, begin: int, end: int) -> _Expression:
        """Parse the groups of EXISTS among tokens."""
        expression = _Expression(begin, end)
        place = begin
        while place < end:
            if self.is_text(place, "{"):
                expression.groups[place] = group = self.group(place)
                place = group.end
            else:
                place += 1
        return expression

    def select(self, begin: int) -> _Select:
        """Parse a SELECT to its end."""
        is_distinct = self.is_word(begin + 1, "DISTINCT", "REDUCED")
        place = begin + 1 + is_distinct
        items: list[tuple[_Expression, int]] = []
        if self.is_text(place, "*"):
            place += 1
        while self.is_text(place, "(") or self.found[place].kind is _VARIABLE:
            end = self.closing(place) if self.is_text(place, "(") else place
            named = end - 1 if end > place else end
            if end > place and not self.is_word(named - 1, "AS"):
                raise _Unfamiliar
            items.append((self.expression(place, end + 1), named))
            place = end + 1
        where = place
        group = self.group(self.before_group(place))
        modifiers, end = self.modifiers(group.end)
        return _Select(begin, end, is_distinct, items, where, group, modifiers, modifiers.end)

    def before_group(self, place: int) -> int:
        """Give the place of the brace that follows dataset clauses and WHERE."""
        while self.found[place].text != "{":  # past the end this raises an IndexError
            place += 1
        return place

    def modifiers(self, begin: int) -> tuple[_Expression, int]:
        """Parse what follows a group; give it, and where VALUES after it end."""
        place = begin
        while place < len(self.found) and not self.is_text(place, "}"):
            if self.is_word(place, "VALUES"):
                return self.expression(begin, place), self.end_of_values(place)
            place = self.closing(place) + 1 if self.is_text(place, "(", "{") else place + 1
        return self.expression(begin, place), place

    def scope(self, node: _Element | _Group) -> set[str]:
        """Give the variables that are in scope after a pattern (18.2.1)."""
        match node:
            case _Group():
                return set().union(*map(self.scope, node.elements))
            case _Triples():
                return self.variables(node.begin, node.end)
            case _Bind():
                return self.variables(node.variable, node.variable + 1)
            case _Union():
                return set().union(*map(self.scope, node.groups))
            case _Beside():
                return set() if self.is_word(node.keyword, "MINUS") else self.scope(node.group)
            case _Graph():
                return self.variables(node.name, node.name + 1) | self.scope(node.group)
            case _Select():
                named = (self.found[place].text[1:] for _, place in node.items)
                return set(named) or self.scope(node.group)
        return set()

    def is_grouped(self, select: _Select) -> bool:
        """Tell whether a SELECT has aggregates or GROUP BY."""
        ranges = [each for each, _ in select.items] + [select.modifiers]
        return self._groups(select) or any(
            self.is_word(place, *AGGREGATES) and self.is_text(place + 1, "(")
            for each in ranges
            for place in self.outside_groups(each)
        )

    def _groups(self, select: _Select) -> bool:
        return any(
            self.is_word(at, "GROUP", "HAVING") for at in self.outside_groups(select.modifiers)
        )

    def outside_groups(self, expression: _Expression) -> Iterator[int]:
        """Give the places of an expression that are in no group of EXISTS."""
        place = expression.begin
        while place < expression.end:
            if place in expression.groups:
                place = expression.groups[place].end
            else:
                yield place
                place += 1


_VARIABLE: Final = TokenKind.VARIABLE
_CLOSING: Final = {"(": ")", "{": "}", "[": "]"}


class _Rewriting:
    """One query on its way to its new text.

    The texts of groups are made from the inside out. What has to have a variable of its own on the
    way sets ``_hidden``, on which a `*` around it is replaced by the columns that it stands for.
    """

    def __init__(
        self, text: str, holds: Callable[[str], bool], columns: Callable[[str], Sequence[str]]
    ) -> None:
        self._parser = _Parser(text)
        self._holds = holds
        self._columns = columns
        self._prologue = ""
        self._hidden = False
        self._concealed: set[str] = set()
        self._taken = {each.text[1:] for each in self._parser.found if each.kind is _VARIABLE}
        self._fresh = (f"?_{number}" for number in count() if f"_{number}" not in self._taken)

    def query(self) -> str:
        """Write the whole query."""
        parser = self._parser
        form = parser.form()
        self._prologue = parser.raw(0, form)
        if parser.is_word(form, "SELECT"):
            select = parser.select(form)
            return f"{self._prologue} {self._select(select, None, counted=True)}"
        head = form + 1
        if parser.is_word(form, "CONSTRUCT"):
            if not parser.is_text(head, "{"):  # the short form, of triples only
                raise _Unfamiliar
            head = parser.closing(head) + 1
        group = parser.group(parser.before_group(head))
        modifiers, end = parser.modifiers(group.end)
        written = self._group(group, None, counted=False)
        before = parser.raw(form, group.begin)
        if self._hidden and parser.is_text(form + 1, "*"):  # of DESCRIBE
            names = self._columns_of(head, end)
            before = f"{parser.raw(form, head)} {names} {parser.raw(head + 1, group.begin)}"
        tail = self._expression(modifiers, None) + parser.raw(modifiers.end, len(parser.found))
        return f"{self._prologue} {before} {written} {tail}"

    def _columns_of(self, star: int, end: int) -> str:
        """Give the variables that the `*` at a place stands for, in what reaches to another."""
        rest = self._parser.raw(star + 1, end)
        names = self._columns(f"{self._prologue} SELECT * {rest}")
        shown = [f"?{name}" for name in names if name not in self._concealed]
        if not shown:
            raise self._limited(
                star, "There is no variable that * could stand for.", "Count the solutions, or ASK."
            )
        return " ".join(shown)

    def _limited(self, place: int, detail: str, hint: str) -> EngineLimitation:
        return limitation(self._parser.text, detail, self._parser.found[place].offset, hint)

    def _group(
        self, group: _Group, around: _Around | None, *, counted: bool, outermost: bool = False
    ) -> str:
        """Write a group.

        Args:
            group: the group.
            around: the GRAPH that it is in, directly or in other groups.
            counted: whether it matters how often it has the same solution.
            outermost: whether it is the group of that GRAPH.
        """
        written = []
        if around and self._needs_anchor(group, around, outermost=outermost):
            written.append(around.anchor)
        blocks = self._blocks(group, around, counted=counted)
        row = ""
        for place, element in enumerate(group.elements):
            if isinstance(element, _Bind) and self._names_nodes(element.expression):
                if not row:
                    row = self._own_variable()
                    written.append(f" BIND(STRUUID() AS {row})")
                written.append(self._expression(element.expression, around, row))
                continue
            if not isinstance(element, _Bind | _Filter):
                row = ""
            if isinstance(element, _Beside) and self._parser.is_word(element.keyword, "MINUS"):
                written.append(self._minus(element, group.elements[:place], around))
            elif place in blocks:
                written.append(blocks[place])
            else:
                written.append(self._element(element, around, counted=counted))
        return f" {{{''.join(written)} }}"

    def _needs_anchor(self, group: _Group, around: _Around, *, outermost: bool) -> bool:
        """Tell whether the name of the graph has to be joined to a group in GRAPH."""
        parser = self._parser
        if not around.is_variable:
            return outermost and not any(
                _is_block(each) and not self._has_path(each) for each in group.elements
            )
        for element in group.elements:
            if isinstance(element, _Beside):
                return True
            if _is_block(element) or isinstance(element, _Union | _Select):
                return False
            if isinstance(element, _Graph) and parser.found[element.name].text == around.name:
                return False
        return True

    def _element(self, element: _Element, around: _Around | None, *, counted: bool) -> str:
        parser = self._parser
        match element:
            case _Filter() | _Bind():
                return self._expression(element.expression, around)
            case _Union():
                groups = (self._group(each, around, counted=counted) for each in element.groups)
                return " UNION".join(groups)
            case _Beside():
                return f" OPTIONAL{self._group(element.group, around, counted=counted)}"
            case _Graph():
                return self._graph(element, counted=counted)
            case _Select():
                return f" {{ {self._select(element, around, counted=counted)} }}"
        return parser.raw(element.begin, element.end)

    def _minus(self, minus: _Beside, before: Sequence[_Element], around: _Around | None) -> str:
        hidden = self._hidden
        group = self._group(minus.group, around, counted=False)
        self._hidden = hidden
        parser = self._parser
        if not set().union(*map(parser.scope, before)) & parser.scope(minus.group):
            return ""
        is_sure = self._certain(before) & self._certain(minus.group.elements)
        if around and around.is_variable and not is_sure:
            raise self._limited(
                minus.keyword,
                "MINUS in GRAPH with a variable is not answered rightly here, as it is not "
                "certain that both sides have a value for a variable that they share.",
                "Use FILTER NOT EXISTS, or put MINUS outside of GRAPH.",
            )
        return f" MINUS{group}"

    def _certain(self, elements: Sequence[_Element]) -> set[str]:
        """Give variables that have a value in every solution."""
        return set().union(*(self._parser.scope(each) for each in elements if _is_block(each)))

    def _graph(self, graph: _Graph, *, counted: bool) -> str:
        token = self._parser.found[graph.name]
        is_variable = token.kind is _VARIABLE
        inner = self._renamed(graph) if is_variable else ""
        around = _Around(token.text, is_variable)
        group = self._group(graph.group, around, counted=counted, outermost=True)
        written = f" GRAPH {token.text}{group}"
        if inner:
            self._conceal(inner)
            same = f"FILTER(!BOUND({inner}) || SAMETERM({inner}, {token.text}))"
            return f" {{{written} {same} }}"
        return written

    def _renamed(self, graph: _Graph) -> str:
        """Rename the variable of GRAPH inside its group, unless all triples there bind it anyway.

        Returns:
            Its new name, if it is to be compared with the old one.
        """
        parser = self._parser
        group = graph.group
        name = parser.found[graph.name].text[1:]
        places = {
            place
            for place in range(group.begin, group.end)
            if parser.found[place].kind is _VARIABLE and parser.found[place].text[1:] == name
        }
        in_triples = {
            place
            for each in group.elements
            if _is_block(each)
            for place in range(each.begin, each.end)
        }
        filters = (each.expression for each in group.elements if isinstance(each, _Filter))
        in_filters = set(chain.from_iterable(map(parser.outside_groups, filters)))
        if not places or (places & in_triples and places <= in_triples | in_filters):
            return ""
        is_visible = name in parser.scope(group)
        fresh = next(self._fresh)
        for place in places:
            parser.found[place] = parser.found[place]._replace(text=fresh)
        return fresh if is_visible else ""

    def _own_variable(self) -> str:
        variable = next(self._fresh)
        self._conceal(variable)
        return variable

    def _conceal(self, variable: str) -> None:
        self._hidden = True
        self._concealed.add(variable[1:])

    def _names_nodes(self, expression: _Expression) -> bool:
        return any(map(self._is_naming, self._parser.outside_groups(expression)))

    def _is_naming(self, place: int) -> bool:
        """Tell whether BNODE is called with an argument."""
        parser = self._parser
        is_call = parser.is_word(place, "BNODE") and parser.is_text(place + 1, "(")
        return is_call and not parser.is_text(place + 2, ")")

    def _expression(self, expression: _Expression, around: _Around | None, row: str = "") -> str:
        return self._range(expression, expression.begin, expression.end, around, row)

    def _range(
        self, expression: _Expression, begin: int, end: int, around: _Around | None, row: str = ""
    ) -> str:
        """Write tokens of an expression; row is what tells solutions apart."""
        parser = self._parser
        written = []
        place = begin
        while place < end:
            if place in expression.groups:
                hidden = self._hidden
                group = expression.groups[place]
                written.append(self._group(group, around, counted=False))
                self._hidden = hidden
                place = group.end
            elif self._is_naming(place):
                closing = parser.closing(place + 1)
                label = self._range(expression, place + 2, closing, around, row)
                label = f"CONCAT({row}, {label})" if row else label
                written.append(f' BNODE(CONCAT("b", SHA1({label})))')
                place = closing + 1
            else:
                written.append(parser.raw(place, place + 1))
                place += 1
        return "".join(written)

    def _select(self, select: _Select, around: _Around | None, *, counted: bool) -> str:
        parser = self._parser
        grouped = parser.is_grouped(select)
        slices = [
            place
            for place in parser.outside_groups(select.modifiers)
            if parser.is_word(place, "LIMIT", "OFFSET")
        ]
        of_each = around is not None and around.is_variable
        if slices and of_each:
            raise self._limited(
                slices[0],
                f"{parser.found[slices[0]].text} inside GRAPH with a variable would have to count "
                "for each graph by itself, which is not possible here.",
                "Put it outside of GRAPH, or ask each graph by its IRI.",
            )
        hidden, self._hidden = self._hidden, False
        counts = grouped or (not select.is_distinct and (counted or bool(slices)))
        body = self._group(select.group, around, counted=counts)
        first = select.begin + 1 + select.is_distinct
        row = ""
        if not grouped and any(self._names_nodes(each) for each, _ in select.items):
            row = next(self._fresh)
            body = f" {{{body} BIND(STRUUID() AS {row}) }}"
        columns = "".join(self._expression(each, around, row) for each, _ in select.items) or " *"
        if not select.items and (self._hidden or of_each):
            columns = f" {self._columns_of(first, select.end)}"
        self._hidden = hidden
        verb = parser.raw(select.begin, first)
        where = parser.raw(select.where, select.group.begin)
        tail = self._expression(select.modifiers, around)
        values = parser.raw(select.values, select.end)
        if not of_each:
            return f"{verb}{columns}{where}{body}{tail}{values}"
        assert around is not None
        of_graph = f"{verb} {around.name}{columns}{where}{body}"
        keys = [
            place + 2
            for place in parser.outside_groups(select.modifiers)
            if parser.is_word(place, "GROUP")
        ]
        if not grouped:
            return f"{of_graph}{tail}{values}"
        if keys:
            begin, end = select.modifiers.begin, select.modifiers.end
            by = self._range(select.modifiers, begin, keys[0], around)
            rest = self._range(select.modifiers, keys[0], end, around)
            return f"{of_graph}{by} {around.name}{rest}{values}"
        if select.modifiers.groups or any(each.groups for each, _ in select.items):
            raise self._limited(
                select.begin,
                "EXISTS beside aggregates inside GRAPH with a variable is not possible here.",
                "Ask each graph by its IRI.",
            )
        of_none = f"{verb}{columns} WHERE {{ FILTER(false) }}{tail}{values}"
        others = f"SELECT DISTINCT {around.name} WHERE {_relabelled(body)}"
        written = (
            f"{{ {of_graph} GROUP BY {around.name}{tail}{values} }} UNION "
            f"{{{around.anchor} MINUS {{ {others} }} {{ {of_none} }} }}"
        )
        if len(written) > _MOST_CHARACTERS:
            raise self._limited(
                select.begin,
                "The query is nested too deeply in GRAPH.",
                "Ask each graph by its IRI.",
            )
        return written

    def _has_path(self, block: _Triples) -> bool:
        texts = [each.text for each in self._parser.found[block.begin : block.end]]
        return any(operator in texts for operator in _OPERATORS)

    def _blocks(self, group: _Group, around: _Around | None, *, counted: bool) -> dict[int, str]:
        """Write the triples of a group that have to be written otherwise, by their place in it.

        What a path becomes is a pattern of its own, and a blank node cannot be in two (4.1.4), so
        variables take the place of blank nodes.
        """
        parser = self._parser
        blocks = {place: each for place, each in enumerate(group.elements) if _is_block(each)}
        if not any(self._has_path(each) for each in blocks.values()):
            return {}
        hidden = self._hidden
        written = self._written_blocks(blocks, around, counted=counted)
        if not written:
            self._hidden = hidden
            return {}
        variables: dict[str, str] = {}
        for each in blocks.values():
            for place in range(each.begin, each.end):
                token = parser.found[place]
                if token.kind is TokenKind.BLANK_NODE:
                    variable = variables.setdefault(token.text, "") or self._own_variable()
                    variables[token.text] = variable
                    parser.found[place] = token._replace(kind=_VARIABLE, text=variable)
        if variables:
            written = self._written_blocks(blocks, around, counted=counted)
            rest = {place: parser.raw(each.begin, each.end) for place, each in blocks.items()}
            return {**rest, **written}
        return written

    def _written_blocks(
        self, blocks: dict[int, _Triples], around: _Around | None, *, counted: bool
    ) -> dict[int, str]:
        written = {
            place: self._block(each, around, counted=counted) for place, each in blocks.items()
        }
        return {place: each for place, each in written.items() if each}

    def _block(self, block: _Triples, around: _Around | None, *, counted: bool) -> str:
        """Write triples with their paths beside them; empty if they can stay as they are."""
        parser = self._parser
        found = parser.found[block.begin : block.end]
        if not self._has_path(block) or any(each.text in _REIFYING for each in found):
            return ""
        kept: list[str] = []
        beside: list[str] = []
        for triple in _Flattening(parser, block, self._own_variable).triples():
            triples, groups = self._joined(*triple, around, counted=counted)
            kept += triples
            beside += groups
        return f" {' '.join((*kept, *beside))}" if beside else ""

    def _joined(
        self, subject: str, path: _Path, object_: str, around: _Around | None, *, counted: bool
    ) -> tuple[list[str], list[str]]:
        """Write a triple pattern as triples and groups that are joined; without groups it is as before.

        Variables stand between the steps of a sequence, as Oxigraph would name them at random, and
        order branches of UNION by the names.
        """
        native = [f"{subject} {_text(path)} {object_} ."]
        if isinstance(path, str):
            return native, []
        path = _straight(path)
        constants = [each for each in (subject, object_) if each[0] not in "?$_[("]
        empty = bool(constants) and _may_be_empty(path, between_constants=len(constants) > 1)
        if not empty and not (counted and _has_alternatives(path)):
            return native, []
        operator, *parts = path
        if operator not in "/|":
            return self._repeated(subject, path, object_, constants[0], around)
        ends = [self._own_variable() if each == "[]" else each for each in (subject, object_)]
        if operator == "|":
            branches = (
                chain(*self._joined(ends[0], each, ends[1], around, counted=counted))
                for each in parts
            )
            return [], [" UNION ".join(f"{{ {' '.join(each)} }}" for each in branches)]
        nodes = [ends[0], *(self._own_variable() for _ in parts[1:]), ends[1]]
        steps = [
            self._joined(*step, around, counted=counted)
            for step in zip(nodes, parts, nodes[1:], strict=False)
        ]
        triples = [each for step, _ in steps for each in step]
        groups = [each for _, step in steps for each in step]
        return triples, groups or [f"{{ {' '.join(triples)} }}"]

    def _repeated(
        self, subject: str, path: _Path, object_: str, term: str, around: _Around | None
    ) -> tuple[list[str], list[str]]:
        """Write a path that may have no length from a constant, as ``_joined`` does."""
        native = f"{subject} {_text(path)} {object_} ."
        one, two = next(self._fresh), next(self._fresh)
        occurs = f"{{ {one} {two} {term} }}"
        if term[0] == "<" or (term[0] not in _QUOTES and ":" in term):
            occurs += f" UNION {{ {term} {one} {two} }}"
        if around is None and self._holds(f"{self._prologue} ASK {{ {occurs} }}"):
            return [native], []
        other = object_ if subject == term else subject
        if other[0] == "(":  # a list is in the graph, if it is at all
            return [native], []
        solution = f"FILTER(SAMETERM({subject}, {object_}))"
        if other[0] in "?$[_":
            solution = "" if other == "[]" else f"VALUES {other} {{ {term} }}"
        if around is None:
            return [], [f"{{ {solution} }}"]
        alone = f"{{{around.anchor} FILTER NOT EXISTS {{ {occurs} }} {solution} }}"
        return [], [f"{{ {native} }} UNION {alone}"]


_QUOTES: Final = ("'", '"')
_FORMS: Final = ("SELECT", "CONSTRUCT", "DESCRIBE", "ASK")


def _is_block(element: _Element) -> TypeGuard[_Triples]:
    return type(element) is _Triples


def _relabelled(text: str) -> str:
    """Rename the blank nodes of a text, which is to stand in a query twice."""
    return "".join(
        f"{each.text}_" if each.kind is TokenKind.BLANK_NODE else each.text for each in tokens(text)
    )


_Path: TypeAlias = Any
"""An operator with what it is applied to; of `=` that is the text of an IRI or of a negated set."""


class _Triple(NamedTuple):
    """A triple pattern; a path that is a string is a variable."""

    subject: str
    path: _Path
    object: str


def _text(path: _Path) -> str:
    if isinstance(path, str):
        return path
    operator, *parts = path
    if operator == "=":
        return str(parts[0])
    if operator in "/|":
        return f"({operator.join(map(_text, parts))})"
    return f"^({_text(parts[0])})" if operator == "^" else f"({_text(parts[0])}){operator}"


def _straight(path: _Path) -> _Path:
    """Write a path so that nothing but steps is inverse, at its top."""
    operator, *parts = path
    if operator != "^" or parts[0][0] == "=":
        return path
    inner, *parts = parts[0]
    if inner == "^":
        return _straight(parts[0])
    inverse = [("^", each) for each in parts]
    return (inner, *(reversed(inverse) if inner == "/" else inverse))


def _has_alternatives(path: _Path) -> bool:
    """Tell whether a path has alternatives that are not repeated."""
    operator, *parts = path
    return operator == "|" or (operator in "/^" and any(map(_has_alternatives, parts)))


def _may_be_empty(path: _Path, *, between_constants: bool) -> bool:
    """Tell whether a path from a constant that the graph lacks may have a solution.

    The ends of the steps of a sequence are variables, which stand only for what is in the graph, so
    a sequence has one only if each of its two steps has a constant.
    """
    operator, *parts = path
    if operator == "=":
        return False
    if operator == "/":
        empty = (_may_be_empty(each, between_constants=False) for each in parts)
        return between_constants and len(parts) == 2 and all(empty)  # noqa: PLR2004 - see above
    if operator in "|^":
        return any(_may_be_empty(each, between_constants=between_constants) for each in parts)
    return operator in "*?" or _may_be_empty(parts[0], between_constants=False)


class _Flattening:
    """Takes triples that share subjects, predicates and brackets apart.

    Args:
        parser: has the tokens.
        block: which of them.
        variable: gives variables for the blank nodes of brackets.
    """

    def __init__(self, parser: _Parser, block: _Triples, variable: Callable[[], str]) -> None:
        self._parser = parser
        self._place, self._end = block.begin, block.end
        self._variable = variable
        self._triples: list[_Triple] = []

    def triples(self) -> list[_Triple]:
        """Give them one by one."""
        while self._place < self._end:
            if not self._accept("."):
                self._properties(self._node())
        return self._triples

    def _accept(self, *texts: str) -> str:
        """Go on if one of the texts stands here, and give it."""
        if self._place < self._end and self._parser.is_text(self._place, *texts):
            self._place += 1
            return self._parser.found[self._place - 1].text
        return ""

    def _next(self) -> Token:
        if self._place >= self._end:
            raise _Unfamiliar
        self._place += 1
        return self._parser.found[self._place - 1]

    def _properties(self, subject: str) -> None:
        while self._place < self._end and not self._parser.is_text(self._place, ".", "]"):
            if self._accept(";"):
                continue
            path = self._verb()
            while True:
                self._triples.append(_Triple(subject, path, self._node()))
                if not self._accept(","):
                    break

    def _node(self) -> str:
        parser = self._parser
        token = self._next()
        if token.text == "[":
            if self._accept("]"):
                return "[]"
            variable = self._variable()
            self._properties(variable)
            if not self._accept("]"):
                raise _Unfamiliar
            return variable
        if token.text == "(":
            begin = self._place - 1
            self._place = parser.closing(begin) + 1
            return parser.raw(begin, self._place).strip()
        if token.text in "+-":
            return token.text + self._next().text
        if token.kind is TokenKind.STRING:
            if self._accept("^^"):
                return f"{token.text}^^{self._next().text}"
            if self._place < self._end and parser.found[self._place].kind is TokenKind.LANGUAGE:
                return token.text + self._next().text
        elif token.kind is TokenKind.PUNCTUATION:
            raise _Unfamiliar
        return token.text

    def _verb(self) -> _Path:
        if self._parser.found[self._place].kind is _VARIABLE:
            return self._next().text
        return self._path()

    def _path(self) -> _Path:
        return self._joined("|", lambda: self._joined("/", self._step))

    def _joined(self, operator: str, part: Callable[[], _Path]) -> _Path:
        parts = [part()]
        while self._accept(operator):
            parts.append(part())
        return parts[0] if len(parts) == 1 else (operator, *parts)

    def _step(self) -> _Path:
        if self._accept("^"):
            return ("^", self._step())
        step = self._primary()
        modifier = self._accept("*", "+", "?")
        return (modifier, step) if modifier else step

    def _primary(self) -> _Path:
        parser = self._parser
        if self._accept("("):
            path = self._path()
            if not self._accept(")"):
                raise _Unfamiliar
            return path
        begin = self._place
        if self._accept("!") and parser.is_text(self._place, "("):
            self._place = parser.closing(self._place) + 1
        else:
            self._accept("^")
            if self._next().kind in (TokenKind.PUNCTUATION, TokenKind.STRING):
                raise _Unfamiliar
        return ("=", parser.raw(begin, self._place).strip())
