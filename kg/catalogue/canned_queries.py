"""The canned queries: named, typed, parameterised SPARQL, one .rq file each.

In the query a parameter is written with a dollar sign, `$procedure`, which SPARQL takes for the same
variable as `?procedure`: so a reader, and the check for undeclared parameters, can tell them apart.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from math import inf
from operator import ge, gt, le
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rapidfuzz import fuzz, process, utils
from rdflib import RDFS, XSD, Literal, URIRef

from kg.catalogue.columns import TABLE, Column, Declaration, read_table, selected, spread
from kg.catalogue.fragments import expanded, line_of_file
from kg.catalogue.front_matter import CatalogueError, Header, read_header
from kg.engine import Engine, QueryError, QuerySyntaxError, Term
from kg.physics.units import EXACT, UnitError, read_quantity, units
from kg.rdf.namespaces import curie, expand, iri_of
from kg.results import ask, select
from kg.search.folding import like
from kg.search.index import NameIndex, Thing
from kg.search.making import index_of
from kg.sparql.bind import bind
from kg.sparql.lexer import Token, TokenKind, tokens

if TYPE_CHECKING:
    from kg.engine.oxigraph.engine import InProcessEngine


class UnknownQueryError(KeyError):
    """There is no canned query of this name.

    Attributes:
        name: the name asked for.
        near: names that resemble it.
    """

    def __init__(self, name: str, near: list[str]) -> None:
        super().__init__(name)
        self.name = name
        self.near = near

    def __str__(self) -> str:
        """Say it in a sentence."""
        suggestion = f" Did you mean {', '.join(self.near)}?" if self.near else ""
        return f"There is no canned query named {self.name!r}.{suggestion}"


class ParameterError(ValueError):
    """A parameter of a canned query that is unknown, missing or of the wrong type.

    Attributes:
        parameter: its name.
        detail: what is wrong.
        hint: what to do, or None.
        candidates: the terms that may be meant, the likeliest first.
    """

    def __init__(
        self, parameter: str, detail: str, hint: str | None = None, candidates: Iterable[Thing] = ()
    ) -> None:
        super().__init__(f"{parameter}: {detail}{' ' + hint if hint else ''}")
        self.parameter = parameter
        self.detail = detail
        self.hint = hint
        self.candidates = tuple(candidates)


_LIMITS = {"above": "above", "minimum": "at least", "maximum": "at most", "not_above": "at most"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a canned query.

    Attributes:
        name: also the name of the variable that it is bound to.
        type: iri, string, integer, decimal, boolean or date.
        classes: for an iri, the classes below or in one of which its values are; empty: any IRI.
        values: the only values that are accepted; empty: all of the type.
        default: the value when none is given, as text; None: there is none.
        required: whether a value must be given.
        description: what it is for.
        above, minimum, maximum, not_above: for a number, what it must be greater than, the least and
            the greatest that it may be, and the parameter that it may not exceed; None: nothing.
        unit: the UCUM code of the unit that a number is in; None: it has none.
    """

    name: str
    type: str
    classes: tuple[str, ...]
    values: tuple[str, ...]
    default: str | None
    required: bool
    description: str
    above: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    not_above: str | None = None
    unit: str | None = None

    @property
    def bounds(self) -> str:
        """What a number has to be, in words; empty: it may be any."""
        named = ((word, getattr(self, name)) for name, word in _LIMITS.items())
        return " and ".join(f"{word} {bound}" for word, bound in named if bound is not None)

    def term(self, text: str) -> Term:
        """Turn a value, as text, into an RDF term.

        An IRI may be given whole, as a short form (`dg:Erythema`), or by the name of a term of
        our ontology (`Erythema`); a number with any unit that measures the same as its own.

        Raises:
            ParameterError: the text is no value of the type, or none of the accepted values.
        """
        text = {each.casefold(): each for each in self.values}.get(text.strip().casefold(), text)
        if self.values and text not in self.values:
            raise ParameterError(
                self.name, f"{text!r} is not accepted.", f"Give one of {', '.join(self.values)}."
            )
        kind = _TYPES[self.type]
        try:
            if self.type not in ("integer", "decimal"):
                return kind.term(text)
            number = read_quantity(text, self.unit)
            term = kind.term(f"{number.normalize(EXACT):f}")
        except UnitError as error:
            raise ParameterError(self.name, str(error)) from error
        except (ValueError, ArithmeticError, KeyError) as error:
            raise ParameterError(self.name, f"{text!r} is not {kind.words}.", kind.hint) from error
        limits = ((self.above, gt), (self.minimum, ge), (self.maximum, le))
        if not all(fits(number, Decimal(str(end))) for end, fits in limits if end is not None):
            raise ParameterError(self.name, f"{text} is not {self.bounds}.")
        return term


@dataclass(frozen=True, slots=True)
class CannedQuery:
    """A query of the catalogue.

    Attributes:
        name: its name, which is also the name of its file.
        title: the question that it answers.
        description: what the answer holds, and what to mind.
        text: the SPARQL, with its header as comments.
        parameters: in the order of the header.
        examples: values of parameters to try, by parameter name.
        columns: of its answers, in their order.
        formerly: the names that it had: `name`, and the days `since` when it is out of use and
            `until` when it works.
        collection: what it lists, if it lists all things of a kind: a name below /collections.
    """

    name: str
    title: str
    description: str
    text: str
    parameters: tuple[Parameter, ...]
    examples: tuple[Mapping[str, str], ...]
    columns: tuple[Column, ...]
    formerly: tuple[Mapping[str, Any], ...]
    collection: str | None = None

    @property
    def keys(self) -> dict[str, Column]:
        """The keys of a row of plain JSON, each with the column of its value, or of its IRIs."""
        found: dict[str, Column] = {}
        for each in self.columns:
            if each.key not in found or each.type in ("iri", "iris"):
                found[each.key] = each
        return found

    def bindings(self, values: Mapping[str, str]) -> dict[str, Term]:
        """Turn values of parameters, as text, into bindings for the query.

        A parameter without a value and without a default stays unbound.

        Raises:
            ParameterError: a name is unknown, a required value missing, or a value unfit.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        if unknown := [name for name in values if name not in known]:
            hint = f"Its parameters: {', '.join(known) or 'none'}."
            raise ParameterError(unknown[0], f"{self.name} has no such parameter.", hint)
        bound = {}
        for name, parameter in known.items():
            text = values.get(name, parameter.default)
            if text is not None:
                bound[name] = parameter.term(text)
            elif parameter.required:
                hint = f"Give one: {parameter.description}"
                raise ParameterError(name, "A value is required.", hint)
        for low, high in ((each.name, each.not_above) for each in self.parameters):
            if high and low in bound and high in bound and bound[low] > bound[high]:
                detail = f"{bound[low]} is greater than {high}, which is {bound[high]}."
                raise ParameterError(low, detail, f"Give one that is at most {high}.")
        return bound


class Catalogue(Mapping[str, CannedQuery]):
    """The canned queries by name, in the order of their names.

    Args:
        queries: the queries.
        engine: what they are asked from.
        kept: a file with the index of names; None, or if it is gone: it is made.
    """

    def __init__(
        self, queries: Mapping[str, CannedQuery], engine: Engine, kept: Path | None = None
    ) -> None:
        self._queries = dict(sorted(queries.items()))
        self._formerly = {old["name"]: each for each in queries.values() for old in each.formerly}
        self._engine = engine
        self._kept = kept

    @cached_property
    def names(self) -> NameIndex:
        """The index of the names in what the engine holds."""
        if self._kept is not None:
            # Another process may have removed it, and nothing but this looks whether it is whole.
            with suppress(FileNotFoundError, sqlite3.DatabaseError):
                return NameIndex(self._kept.read_bytes())
        return index_of(self._engine)

    def bindings(self, name: str, values: Mapping[str, str]) -> dict[str, Term]:
        """Turn values of the parameters of a query into bindings, see ``CannedQuery.bindings``.

        For a term any name will do that means one term only among those that are accepted.

        Raises:
            UnknownQueryError: there is no query of this name.
            ParameterError: besides, where a term is unknown, is not below or in a class that its
                parameter asks for, or is one of several that a name means; suggests terms.
        """
        query = self[name]
        terms = {each.name: each for each in query.parameters if each.type == "iri"}
        given = {
            key: self._meant(terms[key], text) if key in terms else text
            for key, text in values.items()
        }
        return query.bindings(given)

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """The labels of the terms that parameters list, by IRI, as far as they have one."""
        parameters = (parameter for query in self.values() for parameter in query.parameters)
        listed = {
            _iri(value).n3() for each in parameters if each.type == "iri" for value in each.values
        }
        values = " ".join(sorted(listed))
        text = f"SELECT * {{ VALUES ?term {{ {values} }} ?term {RDFS.label.n3()} ?label }}"
        return {
            str(row["term"]): str(row["label"]) for row in select(self._engine, text, seconds=inf)
        }

    def _chosen(self, parameter: Parameter, text: str) -> str:
        """Return the value of those that a parameter lists which a text stands for."""
        listed = {str(_iri(each)): each for each in parameter.values}
        things = [Thing(each, self.labels.get(each, each), "", None) for each in listed]
        meant, near = self.names.resolved(text, parameter.classes, listed)
        # The index knows nothing of terms of others.
        meant = [each for each in things if each.iri == iri_of(text)] or meant
        called = [(each, each.label) for each in things]
        called += [(each, re.split("[/#_]", each.iri)[-1]) for each in things]
        written = re.sub(r"\b[1-9]\b", lambda digit: _NUMERALS[int(digit[0])], text)
        alike = process.extract(
            written,
            [name for _, name in called],
            scorer=fuzz.WRatio if len(written) >= _LONG else fuzz.ratio,
            processor=utils.default_process,
            score_cutoff=_ALIKE,
        )
        if not meant and written == text and alike and alike[0][1] == _SAME:
            meant = [called[alike[0][2]][0]]
        if len(meant) == 1:
            return listed[meant[0].iri]
        likely = [*meant, *(called[place][0] for _, _, place in alike), *near]
        found = list({each.iri: each for each in likely}.values())
        detail = f"{text!r} {'means several' if meant else 'is not accepted'}."
        hint = f"Did you mean {_choice(found)}? " if found else ""
        hint += f"Give one of {_choice(things)}."
        raise ParameterError(parameter.name, detail, hint, found)

    def _meant(self, parameter: Parameter, text: str) -> str:
        """Return the term that a value stands for, as the parameter accepts it."""
        if parameter.values:
            return self._chosen(parameter, text)
        iri = iri_of(text)
        meant, near = self.names.resolved(text, parameter.classes)
        if len(meant) == 1:
            return meant[0].iri
        is_any = not parameter.classes
        if iri and is_any and ask(self._engine, _OCCURS, {"term": URIRef(iri)}):
            return iri
        shown = curie(iri) if iri and ":" in text else repr(text)
        found = meant or near
        hint = f"Did you mean {_choice(found)}?" if found else parameter.description
        labels = [each.label for each in map(self.names.thing, parameter.classes) if each]
        kind = " or ".join(each.removeprefix("used as ") for each in labels) or "concept"
        detail = f"{shown} is no {kind} that the graph speaks of."
        if meant:
            detail = f"{shown} means several."
        elif is_any:
            detail = f"The graph does not know {shown}."
        elif elsewhere := self.names.resolved(text)[0]:
            known = " or ".join(f"{each.label} ({each.kind})" for each in elsewhere[:3])
            detail = f"{shown} means {known}, which is no {kind}."
        raise ParameterError(parameter.name, detail, hint, found)

    def __getitem__(self, name: str) -> CannedQuery:
        """Return a query by its name, or by one that it had.

        Raises:
            UnknownQueryError: there is none of this name.
        """
        try:
            return self._queries.get(name) or self._formerly[name]
        except KeyError:
            raise UnknownQueryError(name, like(name, self._queries)) from None

    def __iter__(self) -> Iterator[str]:
        """Go through the names in order, but for those of collections."""
        return (name for name, each in self._queries.items() if not each.collection)

    def __len__(self) -> int:
        """Count the queries that are gone through."""
        return len(list(iter(self)))

    @property
    def collections(self) -> dict[str, CannedQuery]:
        """The queries that list all things of a kind, by what they list."""
        return {each.collection: each for each in self._queries.values() if each.collection}


def read_queries(folder: Path, engine: InProcessEngine | None = None) -> dict[str, CannedQuery]:
    """Read all .rq files of a folder, and the table of columns beside them.

    Args:
        folder: where the files are; `NAME.rq` is the query NAME, `collections/NAME.rq` all-NAME.
        engine: checks that each query parses; None: all were checked when they were as they are.

    Raises:
        CatalogueError: a file is not a canned query; says file, line and what to do.
    """
    shared = read_table(folder)
    paths = sorted([*folder.glob("*.rq"), *folder.glob("collections/*.rq")])
    queries = {each.name: each for each in (_read(path, engine, shared) for path in paths)}
    if engine is not None:
        keys = {column.key for query in queries.values() for column in query.columns}
        for line, name in enumerate(shared, start=2):
            if name not in keys:
                place = f"{folder / TABLE}, line {line}"
                raise CatalogueError(f"{place}: No query has a column {name}. Take the line out.")
    return queries


_ALIKE: Final = 70  # of 100, from which on a value may be meant; a judgement, as is the length
_SAME: Final = 100
_LONG: Final = 4  # letters from which on a text may be a part of a name
_NUMERALS: Final = ("0", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
_OCCURS: Final = "ASK { { $term ?p ?o } UNION { ?s $term ?o } UNION { ?s ?p $term } }"


def _read(
    path: Path, engine: InProcessEngine | None, shared: Mapping[str, Declaration]
) -> CannedQuery:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", path.stem):
        raise CatalogueError(f"{path}: name the file in lower-case words joined by hyphens.")
    header = read_header(path, None if engine is None else "query")
    header = replace(header, text=expanded(path, header.text, shared))
    parameters = tuple(
        _parameter(header, index) for index in range(len(header.values.get("params", ())))
    )
    if engine is not None:
        _check_variables(header, parameters)
        _check_text(header, parameters, engine)
    collection = path.stem if path.parent.name == "collections" else None
    query = CannedQuery(
        name=f"all-{collection}" if collection else path.stem,
        title=header.values["title"],
        description=header.values["description"].strip(),
        text=header.text,
        parameters=parameters,
        examples=tuple(
            {name: as_text(value) for name, value in example.items()}
            for example in header.values.get("examples", ())
        ),
        columns=_columns(header, shared),
        formerly=tuple(header.values.get("formerly", ())),
        collection=collection,
    )
    if engine is not None:
        for index, example in enumerate(query.examples):
            try:
                query.bindings(example)
            except ParameterError as error:
                raise _error(header, header.line_of("examples", index), str(error)) from error
    return query


def _parameter(header: Header, index: int) -> Parameter:
    given = header.values["params"][index]
    default = given.get("default")
    try:
        classes = tuple(expand(each) for each in given.get("classes", ()))
    except KeyError as error:
        line = header.line_of("params", index, "classes")
        prefixed = ", ".join(given["classes"])
        raise _error(header, line, f"A prefix of {prefixed} is unknown.") from error
    parameter = Parameter(
        **{key: given.get(key) for key in ("name", "type", "unit", *_LIMITS)},
        classes=classes,
        values=tuple(as_text(value) for value in given.get("values", ())),
        default=None if default is None else as_text(default),
        required=given.get("required", False),
        description=given["description"].strip(),
    )
    line = header.line_of("params", index)
    if parameter.unit not in (None, *units()):
        raise _error(header, line, f"The unit {parameter.unit!r} is not in ontology/units.tsv.")
    if parameter.required and parameter.default is not None:
        raise _error(header, line, f"{parameter.name} is required, so it can have no default.")
    try:
        for value in (*parameter.values, *([parameter.default] if parameter.default else [])):
            parameter.term(value)
    except ParameterError as error:
        raise _error(header, line, str(error)) from error
    return parameter


def _columns(header: Header, shared: Mapping[str, Declaration]) -> tuple[Column, ...]:
    """Return the columns of a query, as its header and the shared table declare them."""
    given = header.values.get("columns", ())
    own = {each["name"]: {**shared.get(each["name"], {}), **each} for each in given}
    for index, each in enumerate(own.values()):
        if not each.keys() >= {"type", "description"}:
            line = header.line_of("columns", index)
            raise _error(header, line, f"{each['name']} needs a type and a description.")
    known = spread({**shared, **own})
    found = selected(header.text)
    if not found:
        raise _error(header, 1, "Write the query as a SELECT that names its columns.")
    for name, line in found.items():
        if name not in known:
            remedy = f"Declare it under columns:, or in {TABLE} if it means the same everywhere."
            raise _error(header, line, f"The column ?{name} is not declared. {remedy}")
    for index, name in enumerate(own):
        if not any(known[each].key == name for each in found):
            line = header.line_of("columns", index)
            raise _error(header, line, f"The query has no column {name}. Take it out.")
    return tuple(known[name] for name in found)


def _check_variables(header: Header, parameters: tuple[Parameter, ...]) -> None:
    used: dict[str, Token] = {}
    for token in tokens(header.text):
        if token.kind is TokenKind.VARIABLE and token.text.startswith("$"):
            used.setdefault(token.text[1:], token)
    names = [each.name for each in parameters]
    for index, name in enumerate(names):
        line = header.line_of("params", index)
        if name in names[:index]:
            raise _error(header, line, f"The parameter {name} is declared twice.")
        if name not in used:
            raise _error(header, line, f"The query does not use its parameter ${name}.")
        if (other := parameters[index].not_above) not in (None, *names):
            raise _error(header, line, f"There is no parameter {other} that {name} is not above.")
    for name, token in used.items():
        if name not in names:
            line = header.text.count("\n", 0, token.offset) + 1
            raise _error(header, line, f"Declare ${name} among the params, or write ?{name}.")


def _check_text(header: Header, parameters: tuple[Parameter, ...], engine: InProcessEngine) -> None:
    """Check that a query parses, as written and with a value in place of each parameter."""
    samples = {
        each.name: each.term((*each.values, _TYPES[each.type].sample)[0]) for each in parameters
    }
    try:
        engine.check(header.text)
        engine.check(bind(header.text, samples))
    except QuerySyntaxError as error:
        hint = f" {error.hint}" if error.hint else ""
        raise _error(header, error.line, f"{error.detail}{hint}") from error
    except QueryError as error:
        raise _error(header, 1, str(error)) from error


def _error(header: Header, line: int, detail: str) -> CatalogueError:
    return CatalogueError(f"{header.path}, line {line_of_file(header.text, line)}: {detail}")


def as_text(value: object) -> str:
    """Return a value of a parameter as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _choice(things: Iterable[Thing]) -> str:
    return ", ".join(f"{curie(each.iri)} ({each.label})" for each in things)


def _iri(text: str) -> URIRef:
    iri = iri_of(text)
    if iri is None:
        raise ValueError(text)
    return URIRef(iri)


class _Type(NamedTuple):
    """A type of parameters: what its values are like, what it is called, what to do, and a value.

    Where there is no datatype, a value is an IRI.
    """

    pattern: str
    words: str
    sample: str
    datatype: str | None = None
    hint: str | None = None
    greatest: str | None = None

    def term(self, text: str) -> Term:
        """Return the term that a text is; raises ValueError or KeyError if it is none."""
        if self.datatype is None:
            return _iri(text)
        if not re.fullmatch(self.pattern, text, re.ASCII | re.DOTALL):
            raise ValueError(text)
        if self.greatest is not None:
            # Oxigraph has no value for what is beyond, or has more places: it would find nothing.
            number, most = Decimal(text), Decimal(self.greatest)
            if abs(number) > most or EXACT.quantize(number, most) != number:
                raise ValueError(text)
        if self.datatype == "date":
            date.fromisoformat(text)
        return Literal(text, datatype=XSD[self.datatype] if self.datatype != "string" else None)


_ROWS: Final = json.loads(Path(__file__).with_name("parameter-types.json").read_bytes())
_TYPES: Final = {name: _Type(**row) for name, row in _ROWS.items()}
