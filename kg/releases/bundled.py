"""The knowledge that ships with the package: where it is, built, validated and kept for next time."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from uuid import uuid4

import platformdirs

from kg import text_files
from kg.catalogue.canned_queries import CannedQuery, read_queries
from kg.engine.dataset import Data, DefaultGraph, Source
from kg.graph import KnowledgeGraph
from kg.rdf.formats import NQUADS
from kg.rdf.namespaces import WIDER, WRITTEN_PREFIXES
from kg.releases.dataset_spec import DatasetSpec
from kg.sparql.errors import DataError
from kg.text_files import knowledge_files

if TYPE_CHECKING:
    from io import BufferedReader

    from kg.builder.build import Build

_ROOT: Final = Path(__file__).resolve().parents[2]
ONTOLOGY_FOLDER: Final = text_files.ONTOLOGY_FOLDER
QUERIES_FOLDER: Final = _ROOT / "queries"
"""The canned queries."""
_READY_FOLDER: Final = _ROOT / "kg" / "ready"
"""Where a wheel has the built dataset; a checkout has none."""

BUILDING: Final[Mapping[str, list[str]]] = json.loads(
    Path(__file__).with_name("building.json").read_bytes()
)
"""The modules and libraries that build and validate: `_made`, and all that it imports; and the files
beside modules that they read. The rest of the code may change without a new build. A test compares
this with the imports."""

_NAMES: Final = ".names"
"""How the name of the file with the index of names ends, beside that of its dataset."""

_KEPT_BUILDS: Final = 3
"""How many builds are kept, so that two checkouts or releases do not drive out each other's."""

_LEFT_OVER_SECONDS: Final = 3600
"""How old an unfinished file must be to be that of a process that was killed."""

_LOG = logging.getLogger(__name__)


class InvalidKnowledge(Exception):
    """The knowledge violates its shapes, or they are malformed, so it is not published; says why."""


@dataclass(frozen=True, slots=True)
class _Built:
    """The dataset, valid, and the canned queries, checked.

    Attributes:
        source: the dataset as N-Quads.
        digest: SHA-256 of the N-Quads, in hexadecimal digits.
        queries: the canned queries.
        names: the file with the index of names, if there is one.
    """

    source: Source
    digest: str
    queries: Mapping[str, CannedQuery]
    names: Path | None = None


def load(progress: Callable[[str], None] = lambda _: None) -> KnowledgeGraph:
    """Load the knowledge that ships with the package.

    It is built from its files and validated when it is loaded for the first time, and kept in
    the user's cache folder; any change of a file, of the code that builds or of its libraries
    makes it be built and validated again.

    Args:
        progress: is told each step.

    Raises:
        kg.builder.errors.BuildError: a file is malformed, be it a shape or a check.
        InvalidKnowledge: the knowledge violates its shapes.
        kg.catalogue.canned_queries.CatalogueError: a canned query is malformed, or names an unknown term.
    """
    found = spec(progress)
    (source,) = found.data.sources
    with source.opened() as file:  # as the file may be gone when all of it is asked for
        held = replace(source, content=file.read(), compressed=False)
    progress("loading")
    return replace(found, data=replace(found.data, sources=(held,))).load()


def spec(
    progress: Callable[[str], None] = lambda _: None,
    default_graph: DefaultGraph = DefaultGraph.UNION,
    added: Sequence[Path] = (),
) -> DatasetSpec:
    """Return the knowledge that ships with the package, ready to be loaded; see ``load``.

    Args:
        progress: is told each step.
        default_graph: what a pattern outside GRAPH sees. All of the knowledge is in named graphs.
        added: files with further records, see docs/first-study.md: a version of its own.
    """
    ready = None if added else _kept(_READY_FOLDER, _sources_digest())
    built = ready or _kept_or_built(progress, added)
    version = built.digest
    if default_graph is not DefaultGraph.UNION:
        version = hashlib.sha256(f"{version} {default_graph.value}".encode()).hexdigest()
    data = Data((built.source,), default_graph, (WIDER,))
    return DatasetSpec(data, version[:16], built.queries, WRITTEN_PREFIXES, names=built.names)


def spec_elsewhere(default_graph: DefaultGraph) -> DatasetSpec:
    """Return what goes with the knowledge, or other data, that an endpoint holds."""
    data, queries = Data((), default_graph, (WIDER,)), read_queries(QUERIES_FOLDER)
    return DatasetSpec(data, None, queries, WRITTEN_PREFIXES, functions=None)


def write_ready(folder: Path) -> None:
    """Write the knowledge and its names as files that ``load`` finds ready; raises what that raises.

    Args:
        folder: where the files are written; in a wheel they stand in `kg/ready/`.
    """
    found = spec()
    with found.data.sources[0].opened() as file:
        nquads = file.read()
    name = _name(_sources_digest(), nquads)
    (folder / f"{name}.nq.gz").write_bytes(gzip.compress(nquads, mtime=0))
    names = found.names.read_bytes() if found.names else found.load().names.content
    (folder / f"{name}{_NAMES}").write_bytes(names)


def built_and_valid(folder: Path, progress: Callable[[str], None], added: Sequence[Path]) -> Build:
    """Build the dataset from files, with those added, and validate it; raises what ``load`` does."""
    from kg.builder.build import build  # noqa: PLC0415 - not needed when a kept build is loaded
    from kg.validate import validate  # noqa: PLC0415 - as above

    built = build(folder, progress, added)
    progress("validating")
    report = validate(built.nquads, origins=built.origins, accelerated=True)
    if not report.conforms:
        raise InvalidKnowledge(report.as_text())
    return built


def _made(
    progress: Callable[[str], None], added: Sequence[Path]
) -> tuple[bytes, dict[str, CannedQuery], bytes]:
    """Build and validate the knowledge, check the canned queries, and make the index of names."""
    # Not needed when a kept build is loaded.
    from kg.catalogue.lint import refuse_unknown_terms  # noqa: PLC0415
    from kg.engine.oxigraph.engine import InProcessEngine  # noqa: PLC0415
    from kg.physics.functions import functions_over  # noqa: PLC0415
    from kg.search.making import index_of  # noqa: PLC0415

    built = built_and_valid(ONTOLOGY_FOLDER, progress, added)
    progress("checking the canned queries")
    engine = InProcessEngine(built.nquads, version="checking", functions=functions_over)
    queries = read_queries(QUERIES_FOLDER, engine)
    refuse_unknown_terms(queries, built.nquads)
    return built.nquads, queries, index_of(engine).content


def _kept_or_built(progress: Callable[[str], None], added: Sequence[Path]) -> _Built:
    key, folder = _cache_key(added), None
    with suppress(RuntimeError):  # the user has no home
        folder = platformdirs.user_cache_path("dermograph")
    if folder and added:
        folder /= "added"  # so that they drive out no build of ours
    if kept := _kept(folder, key):
        return kept
    nquads, queries, names = _made(progress, added)
    digest = hashlib.sha256(nquads).hexdigest()
    # What was made of files that somebody saved meanwhile is not what they are made into now.
    path = _keep(folder, key, nquads, names) if key == _cache_key(added) else None
    return _Built(Source(nquads, NQUADS), digest, queries, path)


def _name(key: str, nquads: bytes) -> str:
    """Name a build by what it was made from and by what it is, so that neither is mistaken."""
    return f"{key}-{hashlib.sha256(nquads).hexdigest()}"


def _sources_digest() -> str:
    """Return a digest of all files that a build depends on: knowledge, queries, and what builds."""
    digest = hashlib.sha256()
    names = (*(f"{name}.py" for name in BUILDING["modules"]), *BUILDING["beside"])
    code = (path for name in names for path in sorted((_ROOT / "kg").glob(name)))
    for path in (*knowledge_files(ONTOLOGY_FOLDER), *knowledge_files(QUERIES_FOLDER), *code):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_ROOT)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:32]


def _cache_key(added: Sequence[Path]) -> str:
    """Return a digest of all that a build depends on: the files, and what reads and checks them.

    The build in a wheel was validated when the wheel was made, so the libraries do not matter there.
    """
    versions = [f"{each} {version_of(each)}" for each in BUILDING["libraries"]]
    files = [f"{hashlib.sha256(each.read_bytes()).hexdigest()} {each.name}" for each in added]
    parts = "\n".join([_sources_digest(), sys.version, *versions, *sorted(files)])
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def _kept(folder: Path | None, key: str) -> _Built | None:
    """Return the build of a folder that was made of what there is now; None if there is none."""
    for path in folder.glob(f"{key}-*.nq*") if folder else ():
        source = Source.at(path)
        try:
            with source.opened() as file:
                digest = hashlib.file_digest(cast("BufferedReader", file), "sha256").hexdigest()
        except DataError:
            continue  # another process removed it, or it is damaged: then it is built anew
        if path.name.partition(".")[0] == f"{key}-{digest}":
            names = path.with_name(f"{key}-{digest}{_NAMES}")
            return _Built(source, digest, read_queries(QUERIES_FOLDER), names)
    return None


def _keep(folder: Path | None, key: str, nquads: bytes, names: bytes) -> Path | None:
    """Keep a build for the next start, and return the file of its names; None: it cannot be kept."""
    if folder is None:
        _LOG.warning("The build is not kept, as the user has no home; the next start builds again.")
        return None
    kept = folder / f"{_name(key, nquads)}{_NAMES}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(kept, names)
        _write_whole(kept.with_suffix(".nq"), nquads)
        with suppress(FileNotFoundError):  # another process is tidying too
            _tidy(folder)
    except OSError as error:
        _LOG.warning("The build is not kept, so the next start builds again: %s", error)
        return None
    return kept


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that whoever looks finds it whole or not at all."""
    part = path.with_name(f"{uuid4().hex}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _tidy(folder: Path) -> None:
    """Remove all but the latest builds, and what killed processes left."""
    ages = sorted((-path.stat().st_mtime, path) for path in folder.glob("*.nq"))
    for _, path in ages[_KEPT_BUILDS:]:
        path.unlink(missing_ok=True)
        path.with_suffix(_NAMES).unlink(missing_ok=True)
    for path in folder.glob("*.part"):
        if time.time() - path.stat().st_mtime > _LEFT_OVER_SECONDS:
            path.unlink(missing_ok=True)
