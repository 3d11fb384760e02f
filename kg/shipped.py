"""The knowledge that ships with the package: where it is, built, validated and kept for next time."""

from __future__ import annotations

import gzip
import hashlib
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import platformdirs
from rdflib import OWL, URIRef

from kg.build import build
from kg.catalogue import Catalogue
from kg.engine import Query
from kg.engine.inprocess import InProcessEngine
from kg.functions import functions_over
from kg.graph import KnowledgeGraph
from kg.namespaces import ONTOLOGY, WRITTEN_PREFIXES
from kg.results import Rows, python_result

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
    nquads = _kept() or _build_and_keep(progress)
    progress("loading")
    version = hashlib.sha256(nquads).hexdigest()[:16]
    engine = InProcessEngine(
        nquads,
        version=version,
        prefixes=WRITTEN_PREFIXES,
        functions=functions_over(nquads),
    )
    catalogue = Catalogue.load(QUERIES_FOLDER, engine)
    return KnowledgeGraph(
        engine=engine, catalogue=catalogue, release=_release(engine), nquads=nquads
    )


def _release(engine: InProcessEngine) -> str:
    text = "SELECT ?release { ?ontology ?states ?release }"
    bindings = {"ontology": URIRef(ONTOLOGY), "states": OWL.versionInfo}
    rows = python_result(engine.run(Query(text, bindings)))
    assert isinstance(rows, Rows)
    return str(rows[0]["release"])


def write_ready(folder: Path) -> Path:
    """Build and validate the knowledge, and write it as a file that ``load`` finds ready.

    Args:
        folder: where the file is written; in a wheel it stands in `kg/ready/`.

    Raises:
        kg.build.BuildError: a file is malformed.
        InvalidKnowledge: the knowledge violates its shapes.
    """
    nquads = _valid(lambda _: None)
    path = folder / f"{_name(nquads)}.nq.gz"
    path.write_bytes(gzip.compress(nquads, mtime=0))
    return path


def _valid(progress: Callable[[str], None]) -> bytes:
    from kg.validate import validate  # noqa: PLC0415 - not needed when a kept build is loaded

    built = build(ONTOLOGY_FOLDER, progress)
    progress("validating")
    report = validate(built.nquads, origins=built.origins, accelerated=True)
    if not report.conforms:
        raise InvalidKnowledge(report.as_text())
    return built.nquads


def _build_and_keep(progress: Callable[[str], None]) -> bytes:
    nquads = _valid(progress)
    _keep(nquads)
    return nquads


def _name(nquads: bytes) -> str:
    """Name a build by what it was made from and by what it is, so that neither is mistaken."""
    return f"{_sources_digest()}-{hashlib.sha256(nquads).hexdigest()}"


def _sources_digest() -> str:
    """Give a digest of all that the build depends on: the files, and the code that builds."""
    digest = hashlib.sha256()
    for folder, pattern in ((ONTOLOGY_FOLDER, "*"), (_ROOT / "kg", "*.py")):
        for path in sorted(folder.rglob(pattern)):
            if path.is_file():
                digest.update(f"{path.relative_to(_ROOT)}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _kept() -> bytes | None:
    """Give the build that came with the package or was kept, for the files as they are now."""
    digest = _sources_digest()
    for folder in (_READY_FOLDER, platformdirs.user_cache_path("dermograph")):
        for path in folder.glob(f"{digest}-*.nq*"):
            content = path.read_bytes()
            nquads = gzip.decompress(content) if path.suffix == ".gz" else content
            if path.name.partition(".")[0] == _name(nquads):
                return nquads
    return None


def _keep(nquads: bytes) -> None:
    folder = platformdirs.user_cache_path("dermograph")
    name = f"{_name(nquads)}.nq"
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
