"""Answers as Python values, for notebooks and scripts, and the queries that the library itself asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from itertools import count
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rdflib import XSD, Graph, URIRef

from kg.engine import JSON, TURTLE, Answer, Engine, Format, Query, ResultKind, Term
from kg.engine.dataset import Source
from kg.rdf.namespaces import PREFIXES, curie
from kg.text_files import rendered

if TYPE_CHECKING:
    import pandas as pd

Value: TypeAlias = URIRef | str | int | float | bool | Decimal | date | datetime | None
"""A cell of a row; an IRI is an `rdflib.URIRef`, which is a string; None is an unbound variable."""

Row: TypeAlias = dict[str, Value]
"""A row by the names of its columns."""

_PYTHON: Final[Mapping[str, Callable[[str], Value]]] = {
    str(XSD.integer): int,
    str(XSD.decimal): Decimal,
    str(XSD.double): float,
    str(XSD.float): float,
    str(XSD.boolean): lambda text: text in ("true", "1"),
    str(XSD.date): date.fromisoformat,
    str(XSD.dateTime): datetime.fromisoformat,
}


_SHOWN: Final = 50
"""How many rows a notebook shows: what a person scrolls through; a judgement."""


class Rows(list[Row]):
    """The rows of a SELECT query.

    Attributes:
        columns: names of the columns, in the order of the query.
        version: the version of the data that the rows were computed from.
        notes: if there are none, what was asked for that is not there.
    """

    notes: Sequence[str] = ()

    def __init__(self, columns: Sequence[str], rows: Sequence[Row], version: str) -> None:
        super().__init__(rows)
        self.columns = tuple(columns)
        self.version = version

    def __repr__(self) -> str:
        """Show the shape and the first rows."""
        shown = "\n".join(f"  {row}" for row in self[:5])
        more = f"\n  ... and {len(self) - 5} more" if len(self) > 5 else ""  # noqa: PLR2004 - as above
        parts = (f"<{len(self)} rows of {', '.join(self.columns)}>", f"{shown}{more}", *self.notes)
        return "\n".join(parts)

    def by(self, column: str) -> defaultdict[str, list[Row]]:
        """Return the rows by the text of their values of a column, none for what no row has."""
        groups: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self:
            groups[str(row[column])].append(row)
        return groups

    def _repr_html_(self) -> str:
        """Show the first rows as a table, as notebooks do; IRIs are links."""
        page = Path(__file__).with_suffix(".html")
        return rendered(page, rows=self, most=_SHOWN, short=curie)

    def to_pandas(self, *, exact: bool = False) -> pd.DataFrame:
        """Return the rows as a data frame; needs pandas (`pip install dermograph[pandas]`).

        Args:
            exact: keep decimals and dates as Python values. Otherwise decimals are floats, so that
                columns of numbers can be reckoned with, and dates are those of pandas.
        """
        import pandas as pd  # noqa: PLC0415 - pandas is optional

        if exact:
            return pd.DataFrame(self, columns=list(self.columns), dtype=object)
        rows = [
            {name: float(cell) if isinstance(cell, Decimal) else cell for name, cell in row.items()}
            for row in self
        ]
        frame = pd.DataFrame(rows, columns=list(self.columns))
        for name in self.columns:
            if {type(row[name]) for row in rows} - {type(None)} == {date}:
                # Seconds, as nanoseconds reach from 1677 to 2262 only.
                frame[name] = frame[name].astype("datetime64[s]")
        return frame


def python_result(answer: Answer) -> Rows | bool | Graph:
    """Turn an answer into Python values.

    Args:
        answer: in SPARQL JSON for rows and booleans, in N-Triples or Turtle for graphs.

    Returns:
        Rows for SELECT, a boolean for ASK, a graph for CONSTRUCT and DESCRIBE.
    """
    if answer.kind is ResultKind.GRAPH:
        return Graph().parse(data=answer.body, format=answer.format.media_type)
    assert answer.format == JSON
    if answer.kind is ResultKind.BOOLEAN:
        return answer.boolean()
    columns, solutions = answer.solutions()
    rows = [{name: _value(solution.get(name)) for name in columns} for solution in solutions]
    return Rows(columns, rows, answer.version)


def select(
    engine: Engine,
    text: str,
    bindings: Mapping[str, Term] | None = None,
    seconds: float | None = None,
) -> Rows:
    """Return the rows of a SELECT query; the time that it may take as in ``Query``.

    Raises:
        EngineError: it is not answered.
    """
    rows = python_result(engine.run(Query(text, bindings or {}, seconds=seconds)))
    assert isinstance(rows, Rows), "the query is a SELECT"
    return rows


def ask(engine: Engine, text: str, bindings: Mapping[str, Term] | None = None) -> bool:
    """Return the answer to an ASK query.

    Raises:
        EngineError: it is not answered.
    """
    return bool(python_result(engine.run(Query(text, bindings or {}))))


def written_anew(turtle: bytes, written: Format | None, prefixes: Mapping[str, str]) -> bytes:
    """Return a graph without blank nodes in another format; the same triples give the same bytes."""
    from kg.engine.oxigraph.engine import InProcessEngine, ntriples_of  # noqa: PLC0415 - seldom used

    lines = sorted(set(ntriples_of(Source(turtle, TURTLE), count()).split("\n")))
    engine = InProcessEngine("\n".join(lines).encode(), version="", prefixes=prefixes)
    formats = {ResultKind.GRAPH: written}
    return engine.run(Query("CONSTRUCT WHERE { ?s ?p ?o }", formats=formats)).body


def stored(name: str, **parts: str) -> str:
    """Return a query that the library itself asks: `kg/queries/NAME.rq`, with all our prefixes.

    Args:
        name: the query.
        parts: what is put for each `$word` of the file.
    """
    return prologue() + Template(stored_text(f"{name}.rq")).substitute(parts)


@cache
def stored_text(file: str) -> str:
    """Return a file of `kg/queries/`."""
    return (Path(__file__).parent / "queries" / file).read_text(encoding="utf-8")


def prologue() -> str:
    """Return the declarations of all our prefixes, for the top of a query."""
    return "".join(f"PREFIX {prefix}: <{iri}>\n" for prefix, iri in PREFIXES.items())


def _value(term: Mapping[str, Any] | None) -> Value:
    if term is None:
        return None
    text: str = term["value"]
    if term["type"] == "uri":
        return URIRef(text)
    convert = _PYTHON.get(term.get("datatype", ""), str)
    try:
        return convert(text)
    except (ValueError, ArithmeticError):
        return text  # what Python has no value for, such as the year 12345, stays as it is written
