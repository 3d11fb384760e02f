"""The knowledge that ships with the package: where it is, built, validated and kept for next time."""

from __future__ import annotations

import gzip
import hashlib
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import platformdirs

from kg.catalogue import CannedQuery, read_queries
from kg.edition import Edition
from kg.engine.data import Data, DefaultGraph, Source
from kg.engine.formats import NQUADS
from kg.graph import KnowledgeGraph
from kg.namespaces import WRITTEN_PREFIXES

if TYPE_CHECKING:
    from io import BufferedReader

_ROOT: Final = Path(__file__).resolve().parent.parent
ONTOLOGY_FOLDER: Final = _ROOT / "ontology"
"""The files that the knowledge is built from."""
QUERIES_FOLDER: Final = _ROOT / "queries"
"""The canned queries."""
_READY_FOLDER: Final = _ROOT / "kg" / "ready"
"""Where a wheel has the built dataset; a checkout has none."""

_LOG = logging.getLogger(__name__)


class InvalidKnowledge(Exception):
    """The knowledge violates its shapes, so it is not published; carries the report as text."""


@dataclass(frozen=True, slots=True)
class _Built:
    """The dataset, valid, and the canned queries, checked.

    Attributes:
        source: the dataset as N-Quads.
        digest: SHA-256 of the N-Quads, in hexadecimal digits.
        queries: the canned queries.
    """

    source: Source
    digest: str
    queries: Mapping[str, CannedQuery]


def load(progress: Callable[[str], None] = lambda _: None) -> KnowledgeGraph:
    """Load the knowledge that ships with the package.

    It is built from its files and validated when it is loaded for the first time, and kept in
    the user's cache folder; any change of a file makes it be built and validated again.

    Args:
        progress: is told each step.

    Raises:
        kg.build.BuildError: a file is malformed.
        InvalidKnowledge: the knowledge violates its shapes.
        kg.catalogue.CatalogueError: a canned query is malformed.
    """
    found = edition(progress)
    (source,) = found.data.sources
    with source.opened() as file:  # as the file may be gone when all of it is asked for
        held = replace(source, content=file.read(), compressed=False)
    progress("loading")
    return replace(found, data=Data((held,))).load()


def edition(
    progress: Callable[[str], None] = lambda _: None,
    default_graph: DefaultGraph = DefaultGraph.UNION,
) -> Edition:
    """Give the knowledge that ships with the package, ready to be loaded; see ``load``.

    Args:
        progress: is told each step.
        default_graph: what a pattern outside GRAPH sees. All of the knowledge is in named graphs.
    """
    built = _kept() or _build_and_keep(progress)
    version = built.digest
    if default_graph is not DefaultGraph.UNION:
        version = hashlib.sha256(f"{version} {default_graph.value}".encode()).hexdigest()
    data = Data((built.source,), default_graph)
    return Edition(data, version[:16], built.queries, WRITTEN_PREFIXES)


def write_ready(folder: Path) -> Path:
    """Build and validate the knowledge, and write it as a file that ``load`` finds ready.

    Args:
        folder: where the file is written; in a wheel it stands in `kg/ready/`.

    Raises:
        kg.build.BuildError: a file is malformed.
        InvalidKnowledge: the knowledge violates its shapes.
        kg.catalogue.CatalogueError: a canned query is malformed.
    """
    nquads, _ = _made(lambda _: None)
    path = folder / f"{_sources_digest()}-{hashlib.sha256(nquads).hexdigest()}.nq.gz"
    path.write_bytes(gzip.compress(nquads, mtime=0))
    return path


def _made(progress: Callable[[str], None]) -> tuple[bytes, dict[str, CannedQuery]]:
    """Build and validate the knowledge, and check the canned queries."""
    # Not needed when a kept build is loaded.
    from kg.build import build  # noqa: PLC0415
    from kg.engine.inprocess import InProcessEngine  # noqa: PLC0415
    from kg.functions import functions_over  # noqa: PLC0415
    from kg.validate import validate  # noqa: PLC0415

    built = build(ONTOLOGY_FOLDER, progress)
    progress("validating")
    report = validate(built.nquads, origins=built.origins, accelerated=True)
    if not report.conforms:
        raise InvalidKnowledge(report.as_text())
    progress("checking the canned queries")
    engine = InProcessEngine(b"", version="checking", functions=functions_over)
    return built.nquads, read_queries(QUERIES_FOLDER, engine)


def _build_and_keep(progress: Callable[[str], None]) -> _Built:
    nquads, queries = _made(progress)
    digest = hashlib.sha256(nquads).hexdigest()
    _keep(nquads, f"{_sources_digest()}-{digest}.nq")
    return _Built(Source(nquads, NQUADS), digest, queries)


def _sources_digest() -> str:
    """Give a digest of all that a build depends on: the files, and the code that builds."""
    digest = hashlib.sha256()
    folders = ((ONTOLOGY_FOLDER, "*"), (QUERIES_FOLDER, "*.rq"), (_ROOT / "kg", "*.py"))
    for folder, pattern in folders:
        for path in sorted(folder.rglob(pattern)):
            if path.is_file():
                digest.update(f"{path.relative_to(_ROOT)}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _kept() -> _Built | None:
    """Give the build that came with the package or was kept, for the files as they are now."""
    sources = _sources_digest()
    for folder in (_READY_FOLDER, platformdirs.user_cache_path("dermograph")):
        for path in folder.glob(f"{sources}-*.nq*"):
            source = Source.at(path)
            with source.opened() as file:
                digest = hashlib.file_digest(cast("BufferedReader", file), "sha256").hexdigest()
            # Named by what it was made from and by what it is, so that neither is mistaken.
            if path.name.partition(".")[0] == f"{sources}-{digest}":
                return _Built(source, digest, read_queries(QUERIES_FOLDER))
    return None


def _keep(nquads: bytes, name: str) -> None:
    folder = platformdirs.user_cache_path("dermograph")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(nquads)
        Path(file.name).replace(folder / name)
        for path in folder.glob("*.nq"):
            if path.name != name:
                path.unlink(missing_ok=True)
    except OSError as error:
        _LOG.warning("The build is not kept, so the next start builds again: %s", error)
