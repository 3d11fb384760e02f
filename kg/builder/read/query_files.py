"""Queries in files of the ontology, as rules and checks are: read, parsed, and asked for their rows."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kg.builder.errors import BuildError, FileProblem
from kg.catalogue.front_matter import Header, HeaderError, read_header
from kg.engine import EngineError, Query, QuerySyntaxError, ResultKind
from kg.engine.oxigraph.engine import InProcessEngine


def read_query_files(folder: Path, kind: str, problems: list[FileProblem]) -> Iterator[Header]:
    """Read the queries of a folder, all its `*.rq` in the order of their names, but malformed ones.

    Args:
        folder: where they are.
        kind: rule or check, of which the ontology has a folder and the catalogue a schema of headers.
        problems: takes what is wrong: malformed headers, and queries that do not parse.
    """
    for path in sorted(folder.glob("*.rq")):
        file = f"{kind}s/{path.name}"
        try:
            header = read_header(path, kind)
            InProcessEngine(b"", version="empty").check(header.text)
        except HeaderError as error:
            problems.append(FileProblem(file, error.line, "", error.detail, "Mend the header."))
        except EngineError as error:
            problems.append(_problem(file, error))
        else:
            yield header


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
