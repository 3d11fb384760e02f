"""Writing queries so that Oxigraph answers them as the specification says.

Oxigraph 0.5 deviates from SPARQL 1.1 in few places that the text of a query shows. There the text is
replaced by another that means the same and that it gets right, or refused, with its place: an answer
may be an error, but not wrong. A test compares random queries with an evaluator of the algebra.
Section numbers are those of https://www.w3.org/TR/sparql11-query/; why the texts mean the same:

**GRAPH** (18.6: eval(D(G), Graph(x, P)) is the union, over the graphs i, of eval(D(i), P) joined with
x -> i; for an IRI that names no graph it is empty). Oxigraph evaluates P once, with ?x in each
pattern. As both sides then bind x, the union distributes over join, left join, union, FILTER, BIND,
and over a MINUS whose sides surely share another variable. Where P has anything else, or x, or
solutions without a pattern, the union is written out: `{ GRAPH <i> P VALUES ?x { <i> } }` for each
graph. In GRAPH <i>, what is no pattern is joined with `GRAPH <i> {}`, empty if there is no such graph.

**MINUS** (18.5) removes only solutions that share a variable. Where none is shared it is left out,
as Oxigraph in OPTIONAL shares what is outside.

**Zero-length paths** (18.4: ALP begins with the term itself, whether or not it is in the graph). If
a constant is not in the graph, a path that can have no length gives just that constant, and
Oxigraph nothing; so where it is not, that solution takes the place of the pattern.

**Alternatives** (18.2.2.4 and 18.5: eval(Path(X, alt(P, Q), Y)) is a union, which keeps duplicates;
a sequence is a join of its steps). Oxigraph drops duplicates, so where they count, and outside of
`*`, `+` and `?`, which drop them too, UNION is written, with variables in sequences.

**Blank nodes** cannot be in several groups (4.1.4), so variables replace those of the pattern, where
they mean the same; with `*` a SELECT leaves them out.

**BNODE(string)** (17.4.2.9: other than all blank nodes of the data and of other solutions). Oxigraph
takes the string as the label, so a digest of it, and of a UUID of the solution, is put in its place.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, count, pairwise
from typing import Any, Final, NamedTuple, TypeAlias

from kg.sparql.errors import EngineLimitation
from kg.sparql.lexer import (
    AGGREGATES,
    FORMS,
    VOLATILE,
    TokenKind,
    closing,
    first_word,
    letters_of,
    significant,
)
from kg.sparql.syntax_errors import limitation

_HINTS: Final = ("MINUS", "BNODE")
_GRAPH_HINT: Final = re.compile(r"GRAPH(?![\w/:>-])")
_OPTIONAL_HINT: Final = re.compile(r"\?(?!\w)")
"""What is quick to find out spares most queries being split into tokens, or parsed."""

_BEFORE_ALL: Final = ("SELECT", "DISTINCT", "REDUCED", "DESCRIBE")
_IN_TRIPLES: Final = ("A", "TRUE", "FALSE")
_OPERATORS: Final = ("|", "*", "?")
_REIFYING: Final = ("<<", "<<(", "{|", "~")
_MOST_CHARACTERS: Final = 1_000_000
_MOST_GRAPHS: Final = 100
"""Oxigraph's time grows with the square of the branches of UNION: 0.07 s with 100, 6 s with 1,000."""
_DEEPEST: Final = 100


def concerns(text: str) -> bool:
    """Tell whether a query may have something to rewrite."""
    if not (
        "*" in text
        or "|" in text
        or not letters_of(text).isdisjoint(_HINTS)
        or _GRAPH_HINT.search(text.upper()) is not None
        or _OPTIONAL_HINT.search(text) is not None
    ):
        return False
    found = significant(text)
    return any(
        token.text in ("|", "?")
        or (token.text == "*" and not (before.is_word(*_BEFORE_ALL) or before.text == "("))
        or token.is_word("GRAPH", "MINUS", "BNODE")
        for before, token in pairwise(found)
    )


def rewritten(text: str, ask: Callable[[str], Any], columns: Callable[[str], Sequence[str]]) -> str:
    """Write a query so that Oxigraph answers it rightly.

    Args:
        text: a query; one that is not legal, or not understood, is returned as it is.
        ask: returns Oxigraph's results of another query over the same data.
        columns: returns the names of the columns of a SELECT query.

    Raises:
        EngineLimitation: it would be answered wrongly, and cannot be written otherwise.
    """
    try:
        return _Rewriting(text, ask, columns).whole()
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
        node = parser.query()
        if node.kind == "SELECT":
            return _with_names_replaced(parser, node)
        group, modifiers = node.parts
        if not parser.is_word(modifiers.begin, "GROUP", "HAVING"):
            return None
        columns = " ".join(_keys(parser, modifiers)) or f"(COUNT(*) AS {next(parser.fresh)})"
    except (_Unfamiliar, IndexError):
        return None
    grouped = f"SELECT {columns} WHERE{parser.raw(group.begin, node.end)}"
    return f"{parser.raw(0, group.begin)} {{ {grouped} }}{parser.raw(node.end)}"


def _keys(parser: _Parser, modifiers: _Node) -> Iterator[str]:
    """Yield the variables that a solution after GROUP BY has."""
    place = modifiers.begin
    while place < modifiers.end and not parser.is_word(place, "HAVING", "ORDER", "LIMIT", "OFFSET"):
        if parser.found[place].text == "(":
            place = closing(parser.found, place)
            if parser.is_word(place - 2, "AS"):
                yield parser.found[place - 1].text
        elif parser.found[place].kind is TokenKind.VARIABLE:
            yield parser.found[place].text
        place += 1


def _with_names_replaced(parser: _Parser, select: _Node) -> str | None:
    """Write the expressions of a SELECT in place of the names that it gives them."""
    meanings: dict[str, str] = {}
    for item in (each for each in select.parts[:-2] if parser.found[each.begin].text == "("):
        begin, end = item.begin + 1, item.end - 3
        meaning = "".join(
            meanings.get(parser.found[place].text[1:]) or parser.words[place]
            for place in range(begin, end)
        )
        if len(meaning) > _MOST_CHARACTERS or first_word(meaning, *VOLATILE):
            return None
        meanings[parser.found[end + 1].text[1:]] = f" ({meaning})"
        parser.words[begin:end] = [meaning, *[""] * (end - begin - 1)]
    return parser.raw(0) if meanings else None


class _Unfamiliar(Exception):
    """The text is not the SPARQL 1.1 that is parsed here."""


class _Node(NamedTuple):
    """A part of a query.

    Attributes:
        kind: the keyword that it begins with; `{` of a group, `.` of triples, UNION also of a group
            alone; empty for what SELECT selects, and for modifiers.
        begin: the place of its first token.
        end: the place after its last.
        parts: the groups in it, or of a group what it is made of. A query and a SELECT have what
            they select, their group and their modifiers.
    """

    kind: str
    begin: int
    end: int
    parts: Sequence[_Node] = ()


class _Parser:
    """Finds the groups of a query and what they are made of; raises _Unfamiliar at anything else.

    Attributes:
        found: the tokens.
        words: what is written for each of them, with the space before it; of blank nodes in
            patterns these are variables.
        fresh: variables that the query does not have.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.found = significant(text)
        ends = [0, *(each.offset + len(each.text) for each in self.found)]
        self.words = [
            f" {each.text}" if each.offset > end else each.text
            for each, end in zip(self.found, ends, strict=False)
        ]
        self.taken = self.variables(0, len(self.found))
        self.fresh = (f"?_{number}" for number in count() if f"_{number}" not in self.taken)
        self._nodes = defaultdict[str, str](lambda: f" {next(self.fresh)}")
        self._depth = 0
        if any(each.kind is TokenKind.INVALID for each in self.found):
            raise _Unfamiliar

    def raw(self, begin: int, end: int | None = None) -> str:
        """Return tokens as they are written, without comments."""
        return "".join(self.words[begin:end])

    def variables(self, begin: int, end: int) -> set[str]:
        """Return the names of the variables among tokens."""
        found = self.found[begin:end]
        return {each.text[1:] for each in found if each.kind is TokenKind.VARIABLE}

    def is_word(self, place: int, *words: str) -> bool:
        """Tell whether one of the keywords stands at a place."""
        return place < len(self.found) and self.found[place].is_word(*words)

    def query(self) -> _Node:
        """Parse the query without its prologue."""
        form = 0
        while not self.found[form].is_word(*FORMS):
            form += 1
        keyword = self.found[form].text.upper()
        if keyword == "SELECT":
            return self._select(form)
        if keyword == "CONSTRUCT" and self.found[form + 1].text != "{":  # the short form
            raise _Unfamiliar
        after = closing(self.found, form + 1) if keyword == "CONSTRUCT" else form
        return self._rest(_Node(keyword, form, after + 1))

    def _select(self, begin: int) -> _Node:
        place = begin + 1 + self.is_word(begin + 1, "DISTINCT", "REDUCED")
        place += self.found[place].text == "*"
        items = []
        while (token := self.found[place]).text == "(" or token.kind is TokenKind.VARIABLE:
            items.append(self._node("", place, self._after(place)))
            if token.text == "(" and not self.is_word(items[-1].end - 3, "AS"):
                raise _Unfamiliar
            place = items[-1].end
        return self._rest(_Node("SELECT", begin, place, items))

    def _rest(self, head: _Node) -> _Node:
        """Parse what follows the head of a query: its group, modifiers and VALUES."""
        group = self._group(self._next(head.end, "{"))
        end = group.end
        while end < len(self.found) and self.found[end].text.upper() not in ("}", "VALUES"):
            end = self._after(end)
        modifiers = self._node("", group.end, end)
        end = self._after_values(end) if self.is_word(end, "VALUES") else end
        return head._replace(end=end, parts=[*head.parts, group, modifiers])

    def _next(self, place: int, *texts: str) -> int:
        while self.found[place].text not in texts:
            place += 1
        return place

    def _after(self, place: int) -> int:
        """Return the place after a token, or after the brackets that it opens."""
        opens = self.found[place].text in ("(", "{")
        return closing(self.found, place) + 1 if opens else place + 1

    def _after_values(self, place: int) -> int:
        return self._after(self._after(place + 1))

    def _node(self, kind: str, begin: int, end: int) -> _Node:
        """Parse the groups of EXISTS among tokens."""
        parts: list[_Node] = []
        for place in range(begin, end):
            if self.found[place].text == "{" and not (parts and place < parts[-1].end):
                parts.append(self._group(place))
        return _Node(kind, begin, end, parts)

    def _group(self, begin: int) -> _Node:
        """Parse the group that opens at a place."""
        self._depth += 1
        if self.found[begin].text != "{" or self._depth > _DEEPEST:
            raise _Unfamiliar
        elements: list[_Node] = []
        place = begin + 1
        while self.found[place].text != "}":
            if self.found[place].text != ".":
                elements.append(self._element(place))
            place = place + 1 if self.found[place].text == "." else elements[-1].end
        self._depth -= 1
        return _Node("{", begin, place + 1, elements)

    def _element(self, place: int) -> _Node:
        token = self.found[place]
        keyword = token.text.upper()
        if keyword == "{":
            groups = [self._group(place)]
            while self.is_word(groups[-1].end, "UNION"):
                groups.append(self._group(groups[-1].end + 1))
            return _Node("UNION", place, groups[-1].end, groups)
        if token.kind is not TokenKind.WORD or token.is_word(*_IN_TRIPLES):
            end = place
            while self._is_in_triples(end):
                if self.found[end].kind is TokenKind.BLANK_NODE:
                    self.words[end] = self._nodes[self.found[end].text]
                end += 1
            return _Node(".", place, end)
        if keyword == "SELECT":
            return self._select(place)
        if keyword in ("OPTIONAL", "MINUS", "GRAPH"):
            group = self._group(place + 1 + (keyword == "GRAPH"))
            return _Node(keyword, place, group.end, [group])
        if keyword in ("FILTER", "BIND"):
            return self._node(keyword, place, self._after(self._next(place, "(", "{")))
        if keyword == "VALUES":
            return _Node(keyword, place, self._after_values(place))
        raise _Unfamiliar

    def _is_in_triples(self, place: int) -> bool:
        token = self.found[place]
        if token.kind is TokenKind.WORD:
            return token.is_word(*_IN_TRIPLES)
        return token.text not in ("{", "}")

    def scope(self, node: _Node) -> set[str]:
        """Return the variables that are in scope after a part (18.2.1)."""
        match node.kind:
            case "FILTER" | "MINUS":
                return set()
            case "." | "VALUES":
                return self.variables(node.begin, node.end)
            case "" | "BIND":
                return self.variables(max(node.begin, node.end - 2), node.end)
            case "SELECT":
                return self.scopes(node.parts[:-2]) or self.scope(node.parts[-2])
            case "GRAPH":
                return self.variables(node.begin, node.begin + 2) | self.scopes(node.parts)
        return self.scopes(node.parts)

    def scopes(self, nodes: Iterable[_Node]) -> set[str]:
        """Return the variables that are in scope after several parts."""
        return set().union(*map(self.scope, nodes))

    def outside_groups(self, node: _Node) -> Iterator[int]:
        """Yield the places of a part that are in none of its groups."""
        begin = node.begin
        for each in node.parts:
            yield from range(begin, each.begin)
            begin = each.end
        yield from range(begin, node.end)


class _Where(NamedTuple):
    """Where a part is.

    Attributes:
        graph: the name of the GRAPH that it is in, directly or in other groups, or empty.
        is_counted: whether it matters how often there is the same solution.
    """

    graph: str
    is_counted: bool


class _Rewriting:
    """One query on its way to its new text, which is made from the inside out."""

    def __init__(
        self, text: str, ask: Callable[[str], Any], columns: Callable[[str], Sequence[str]]
    ) -> None:
        self._parser = parser = _Parser(text)
        self._ask = ask
        self._columns = columns
        self._query = parser.query()
        self._prologue = parser.raw(0, self._query.begin)
        self._room = _MOST_CHARACTERS

    def whole(self) -> str:
        """Write the whole query."""
        query = self._query
        written = self._selected(query, _Where("", is_counted=query.kind == "SELECT"))
        return f"{self._prologue} {written}{self._parser.raw(query.end)}"

    def _limited(self, node: _Node, detail: str, hint: str) -> EngineLimitation:
        return limitation(self._parser.text, detail, self._parser.found[node.begin].offset, hint)

    def _written(self, node: _Node, where: _Where) -> str:
        match node.kind:
            case "{":
                return self._group(node, where)
            case ".":
                return self._triples(node, where)
            case "GRAPH":
                return self._graph(node, where)
            case "SELECT":
                return f" {{ {self._selected(node, where)} }}"
            case "OPTIONAL" | "UNION":
                return self._filled(node.begin, node.parts, node.end, where)
        return self._filled(node.begin, node.parts, node.end, where._replace(is_counted=False))

    def _filled(self, begin: int, parts: Iterable[_Node], end: int, where: _Where) -> str:
        """Write tokens, and the parts among them anew."""
        written = []
        for each in parts:
            written += [self._parser.raw(begin, each.begin), self._written(each, where)]
            begin = each.end
        return "".join((*written, self._parser.raw(begin, end)))

    def _selected(self, node: _Node, where: _Where) -> str:
        """Write a query or a SELECT."""
        parser = self._parser
        *items, group, modifiers = node.parts
        beside = where._replace(is_counted=False)
        places = chain.from_iterable(map(parser.outside_groups, (*items, modifiers)))
        words = {parser.found[place].text.upper() for place in places}
        is_grouped = not words.isdisjoint(("GROUP", "HAVING", *AGGREGATES))
        is_distinct = parser.is_word(node.begin + 1, "DISTINCT", "REDUCED")
        counts = where.is_counted or not words.isdisjoint(("LIMIT", "OFFSET"))
        is_counted = is_grouped or (counts and not is_distinct)
        body = self._group(group, where._replace(is_counted=is_counted))
        row = '""' if is_grouped else next(parser.fresh)
        calls = [each for each in items if self._tells_apart(each, row)]
        if calls and not is_grouped:
            body = f" {{{body} BIND(STRUUID() AS {row}) }}"
        self._tells_apart(modifiers, '""')
        outside = (range(node.begin, group.begin), range(modifiers.begin, modifiers.end))
        if "?_" in body and any(
            parser.found[place].text == "*" and parser.is_word(place - 1, *_BEFORE_ALL)
            for place in chain(*outside)
        ):  # a `*` stands for variables
            body = self._without_own(body, node)
        head = self._filled(node.begin, items, group.begin, beside)
        tail = self._filled(modifiers.begin, modifiers.parts, node.end, beside)
        return f"{head}{body}{tail}"

    def _without_own(self, body: str, node: _Node) -> str:
        """Let the group of a query with `*` have no variables but those of the query."""
        names = self._columns(f"{self._prologue} SELECT * WHERE {body}")
        shown = [f"?{name}" for name in names if name in self._parser.taken]
        if len(shown) == len(names):
            return body
        if not shown:
            detail = "There is no variable that * could stand for."
            raise self._limited(node, detail, "Count the solutions, or ASK.")
        return f" {{ SELECT {' '.join(shown)} WHERE {body} }}"

    def _group(self, group: _Node, where: _Where) -> str:
        parser = self._parser
        is_empty_in_none = where.graph[:1] in ("", *_SIGNS) or any(
            each.kind == "UNION" or (each.kind == "." and not self._has_path(each))
            for each in group.parts
        )
        written = [] if is_empty_in_none else [f" GRAPH {where.graph} {{}} "]
        row = ""
        for place, element in enumerate(group.parts):
            if element.kind == "BIND":
                named = row or next(parser.fresh)
                if self._tells_apart(element, named) and not row:
                    row = named
                    written.append(f" BIND(STRUUID() AS {row})")
            elif element.kind == "FILTER":
                self._tells_apart(element, '""')
            else:
                row = ""
            if element.kind != "MINUS" or self._shares(element, group.parts[:place]):
                written.append(self._written(element, where))
        return f" {{{''.join(written)} }}"

    def _shares(self, minus: _Node, before: Sequence[_Node]) -> bool:
        """Tell whether MINUS may share a variable with what is before it."""
        scopes = self._parser.scopes
        return not scopes(before).isdisjoint(scopes(minus.parts))

    def _tells_apart(self, node: _Node, row: str) -> bool:
        """Let BNODE give other nodes for each value of what tells solutions apart, if it is called."""
        parser, found = self._parser, self._parser.found
        is_called = False
        for call in (each for each in parser.outside_groups(node) if parser.is_word(each, "BNODE")):
            if found[call + 1].text == "(" and found[call + 2].text != ")":
                parser.words[call + 1] = f'(CONCAT("b", SHA1(CONCAT({row},'
                parser.words[closing(found, call + 1)] = "))))"
                is_called = True
        return is_called

    def _graph(self, graph: _Node, where: _Where) -> str:
        parser = self._parser
        name = parser.words[graph.begin + 1].strip()
        (group,) = graph.parts
        if not name.startswith(_SIGNS) or self._is_read_rightly(group, name[1:]):
            return f" GRAPH {name}{self._group(group, where._replace(graph=name))}"
        names = sorted(str(row[0]) for row in self._ask("SELECT ?g { GRAPH ?g {} }"))
        hint = "Ask each graph by its IRI."
        if len(names) > _MOST_GRAPHS or not all(each.startswith("<") for each in names):
            raise self._limited(
                graph,
                "GRAPH with a variable around other than triples, OPTIONAL, FILTER, BIND and UNION "
                f"is not possible with more than {_MOST_GRAPHS} graphs, or graphs without an IRI.",
                hint,
            )
        branches = []
        for each in names:
            inner = self._group(group, where._replace(graph=each))
            branches.append(f" {{ GRAPH {each}{inner} VALUES {name} {{ {each} }} }}")
            self._room -= len(branches[-1])
            if self._room < 0:
                raise self._limited(graph, "The query is nested too deeply in GRAPH.", hint)
        nothing = f" {{ FILTER(false){parser.raw(graph.begin, graph.end)} }}"
        return " UNION".join(branches) or nothing

    def _is_read_rightly(self, group: _Node, name: str) -> bool:
        """Tell whether Oxigraph reads the group of GRAPH with a variable as the specification does."""
        parser = self._parser
        if name in parser.variables(group.begin, group.end):
            triples = [each for each in group.parts if each.kind == "."]
            filters = [each for each in group.parts if each.kind == "FILTER" and not each.parts]
            others = (each for each in group.parts if each not in (*triples, *filters))
            if any(name in parser.variables(each.begin, each.end) for each in others):
                return False
            if name not in parser.scopes(triples):
                return False
        return not group.parts or self._is_pattern(group)

    def _is_pattern(self, group: _Node) -> bool:
        """Tell whether all in a group, and in those in it, binds the name of the graph."""
        is_bound = False
        certain: set[str] = set()
        for place, each in enumerate(group.parts):
            if each.kind == ".":
                certain |= self._parser.scope(each)
                if any(_may_be_empty(*triple) for triple in self._taken_apart(each)):
                    return False
            elif each.kind == "MINUS" and self._shares(each, group.parts[:place]):
                triples = (inner for inner in each.parts[0].parts if inner.kind == ".")
                if certain.isdisjoint(self._parser.scopes(triples)):
                    return False
            is_bound = is_bound or each.kind in (".", "UNION")
            if each.kind in ("SELECT", "GRAPH") or not all(map(self._is_pattern, each.parts)):
                return False
            if each.kind in ("OPTIONAL", "MINUS") and not is_bound:
                return False
        return is_bound

    def _triples(self, block: _Node, where: _Where) -> str:
        """Write triples, those with paths apart if they cannot stay as they are."""
        patterns: list[str] = []
        groups: list[str] = []
        for each in self._taken_apart(block):
            alone, beside = self._joined(*each, where)
            patterns += alone
            groups += beside
        if not groups:
            return self._parser.raw(block.begin, block.end)
        return f" {' '.join((*patterns, *groups))}"

    def _has_path(self, block: _Node) -> bool:
        return any(each.text in _OPERATORS for each in self._parser.found[block.begin : block.end])

    def _taken_apart(self, block: _Node) -> list[_Triple]:
        """Return the triples of a block with paths one by one; none where it has to stay as it is."""
        found = self._parser.found[block.begin : block.end]
        if not self._has_path(block) or any(each.text in _REIFYING for each in found):
            return []
        return _Flattening(self._parser.words[block.begin : block.end], self._parser.fresh).triples

    def _joined(
        self, subject: str, path: _Path, object_: str, where: _Where
    ) -> tuple[list[str], list[str]]:
        """Write a triple pattern as triples and groups that are joined; without groups it is as before.

        Variables stand between the steps of a sequence, as Oxigraph would name them at random, and
        order branches of UNION by the names.
        """
        native = [f"{subject} {_text(path)} {object_} ."]
        may_be_empty = _may_be_empty(subject, path, object_)
        if not may_be_empty and not (where.is_counted and _has_alternatives(path)):
            return native, []
        operator, *parts = path
        if operator == "|":
            branches = (chain(*self._joined(subject, each, object_, where)) for each in parts)
            return [], [" UNION ".join(f"{{ {' '.join(each)} }}" for each in branches)]
        if operator != "/":
            solution = self._of_no_length(subject, object_, where)
            return ([], [f"{{ {solution} }}"]) if solution else (native, [])
        nodes = [subject, *(next(self._parser.fresh) for _ in parts[1:]), object_]
        steps = [self._joined(*step, where) for step in zip(nodes, parts, nodes[1:], strict=False)]
        triples = [each for step, _ in steps for each in step]
        groups = [each for _, step in steps for each in step]
        return triples, groups or [f"{{ {' '.join(triples)} }}"]

    def _of_no_length(self, subject: str, object_: str, where: _Where) -> str:
        """Write the solution of a path of no length whose constant is not in the graph, else nothing."""
        term, other = (object_, subject) if _is_open(subject) else (subject, object_)
        if other.startswith("("):  # a list is in the graph, if it is at all
            return ""
        one, two = next(self._parser.fresh), next(self._parser.fresh)
        occurs = f"{{ {one} {two} {term} }}"
        if term.startswith("<") or (not term.startswith(("'", '"')) and ":" in term):
            occurs += f" UNION {{ {term} {one} {two} }}"
        if where.graph:
            occurs = f"GRAPH {where.graph} {{ {occurs} }}"
        if self._ask(f"{self._prologue} ASK {{ {occurs} }}"):
            return ""
        if _is_open(other):
            return f"VALUES {other} {{ {term} }}"
        return f"FILTER(SAMETERM({subject}, {object_}))"


_SIGNS: Final = ("?", "$")
_Path: TypeAlias = Any
"""An operator with what it is applied to; of `=` that is a text without other operators."""


_Triple: TypeAlias = tuple[str, _Path, str]


def _is_open(node: str) -> bool:
    """Tell whether the end of a path is no constant."""
    return node.startswith((*_SIGNS, "("))


def _text(path: _Path) -> str:
    operator, *parts = path
    if operator == "=":
        return str(parts[0])
    if operator in "/|":
        return f"({operator.join(map(_text, parts))})"
    return f"({_text(parts[0])}){operator}"


def _inverse(path: _Path) -> _Path:
    """Return a path in the other direction, in which nothing but steps is inverse."""
    operator, *parts = path
    if operator == "=":
        return (operator, parts[0][1:] if parts[0].startswith("^") else f"^{parts[0]}")
    inverse = [_inverse(each) for each in parts]
    return (operator, *(reversed(inverse) if operator == "/" else inverse))


def _has_alternatives(path: _Path) -> bool:
    """Tell whether a path has alternatives that are not repeated."""
    operator, *parts = path
    return operator == "|" or (operator == "/" and any(map(_has_alternatives, parts)))


def _may_be_empty(subject: str, path: _Path, object_: str) -> bool:
    """Tell whether a path from or to a constant that the graph lacks may have a solution."""
    constants = (not _is_open(subject)) + (not _is_open(object_))
    return constants > 0 and _has_no_length(path, constants)


def _has_no_length(path: _Path, constants: int) -> bool:
    """Tell whether a path with constants at that many ends may have no length.

    The ends of the steps of a sequence are variables, which stand only for what is in the graph, so
    a sequence may only if each of its two steps has a constant.
    """
    operator, *parts = path
    if operator == "=":
        return False
    if operator == "/":
        is_possible = constants == len(parts) == 2  # noqa: PLR2004 - see above
        return is_possible and all(_has_no_length(each, 1) for each in parts)
    if operator == "|":
        return any(_has_no_length(each, constants) for each in parts)
    return operator in "*?" or _has_no_length(parts[0], 1)


class _Flattening:
    """Takes triples that share subjects, predicates and brackets apart.

    What is illegal may become anything, as the query is parsed besides.

    Args:
        words: the tokens, with the space before them.
        fresh: variables for what is in brackets.

    Attributes:
        triples: the triples one by one.
    """

    def __init__(self, words: list[str], fresh: Iterator[str]) -> None:
        self._words = words[::-1]
        self._fresh = fresh
        self.triples: list[_Triple] = []
        while self._words:
            if not self._accept("."):
                self._properties(self._node())

    def _follows(self, *texts: str) -> bool:
        return bool(self._words) and self._words[-1].strip() in texts

    def _accept(self, *texts: str) -> str:
        """Go on if one of the texts stands here, and return it."""
        return self._words.pop().strip() if self._follows(*texts) else ""

    def _properties(self, subject: str) -> None:
        while self._words and not self._follows(".", "]"):
            if self._accept(";"):
                continue
            path = self._path("|/")
            self.triples.append((subject, path, self._node()))
            while self._accept(","):
                self.triples.append((subject, path, self._node()))

    def _node(self) -> str:
        if self._accept("["):
            variable = next(self._fresh)
            self._properties(variable)
            self._accept("]")
            return variable
        node = self._in_brackets()
        if node in ("+", "-") or self._follows("^^"):
            node += self._words.pop()
        if node.endswith("^^") or (self._words and self._words[-1].strip().startswith("@")):
            node += self._words.pop()
        return node

    def _in_brackets(self) -> str:
        """Take a token, or all of a bracket that opens."""
        taken = [self._words.pop()]
        depth = int(taken[0].strip() == "(")
        while depth:
            taken.append(self._words.pop())
            depth += {"(": 1, ")": -1}.get(taken[-1].strip(), 0)
        return "".join(taken).strip()

    def _path(self, operators: str) -> _Path:
        """Take a path made with operators, of which the first binds the least."""
        if not operators:
            return self._step()
        parts = [self._path(operators[1:])]
        while self._accept(operators[0]):
            parts.append(self._path(operators[1:]))
        return parts[0] if len(parts) == 1 else (operators[0], *parts)

    def _step(self) -> _Path:
        if self._accept("^"):
            return _inverse(self._step())
        if self._accept("("):
            step = self._path("|/")
            self._accept(")")
        else:
            negation = self._accept("!") and f"!{self._accept('^')}"
            step = ("=", f"{negation}{self._in_brackets()}")
        modifier = self._accept("*", "+", "?")
        return (modifier, step) if modifier else step
