"""Queries in files of the ontology, as rules and checks are: read, parsed, and asked for their rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kg.builder.errors import BuildError, FileProblem
from kg.catalogue.front_matter import Header, HeaderError, read_header
from kg.engine import EngineError, Query, QuerySyntaxError, ResultKind
from kg.engine.oxigraph.engine import InProcessEngine


def read_query_file(
    path: Path, file: str, schema: str, problems: list[FileProblem]
) -> Header | None:
    """Read a query; None if it is malformed.

    Args:
        path: the file.
        file: its name, relative to the ontology folder.
        schema: what its header must fit, see ``kg.catalogue.front_matter.read_header``.
        problems: takes what is wrong: a malformed header, or a query that does not parse.
    """
    try:
        header = read_header(path, schema)
        InProcessEngine(b"", version="empty").check(header.text)
    except HeaderError as error:
        problems.append(FileProblem(file, error.line, "", error.detail, "Mend the header."))
    except EngineError as error:
        problems.append(_problem(file, error))
    else:
        return header
    return None


def rows_of(
    file: str, text: str, engine: InProcessEngine
) -> tuple[Sequence[str], list[Mapping[str, Any]]]:
    """Return the columns and the rows of a query; nothing if it is no SELECT.

    Raises:
        BuildError: it is not answered.
    """
    try:
        answer = engine.run(Query(text))
    except EngineError as error:
        raise BuildError([_problem(file, error)]) from error
    return answer.solutions() if answer.kind is ResultKind.SOLUTIONS else ((), [])


def _problem(file: str, error: EngineError) -> FileProblem:
    if isinstance(error, QuerySyntaxError):
        return FileProblem(file, error.line, "", error.detail, error.hint or "Mend the query.")
    return FileProblem(file, 0, "", str(error), "Mend the query.")
