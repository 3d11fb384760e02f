"""Lines of a canned query that stand for what many queries share: `#= NAME ARGUMENT ...`.

`#= prefixes` stands for the declarations of the prefixes that the query uses. `#= columns` stands for
the patterns of `queries/columns.tsv` that bind what is selected or sorted by and does not stand
earlier in the same group, `#= claim` for those of them that every claim matches: next to the triple
patterns that find the claims they cost little. Any other name is that of a file
`queries/fragments/NAME.rq`, in which `?1`, `?2` and so on are the arguments. In the text that is made
the line stays, and `#= end` follows what it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kg.catalogue.columns import Declaration
from kg.catalogue.front_matter import HeaderError
from kg.rdf.namespaces import PREFIXES
from kg.search.folding import like
from kg.sparql.lexer import TokenKind, tokens
from kg.text_files import FileProblem, read_text_file

_MARK: Final = "#="
_END: Final = "#= end"
_OPTIONAL: Final = "OPTIONAL {"
_ARGUMENT: Final = re.compile(r"[?$]([1-9])\b")
_PREFIX: Final = re.compile(r"#.*|\b([a-z]+):(?=\w)")


def expanded(path: Path, text: str, shared: Mapping[str, Declaration]) -> str:
    """Return the text of a canned query with what its lines stand for.

    Args:
        path: its file, beside which the folder of fragments is.
        text: what the file holds.
        shared: what the table of columns declares, by name.

    Raises:
        HeaderError: there is no such fragment, or it takes other arguments; says the line.
    """
    patterns = [  # each with the column that it binds, which it names last
        (pattern, pattern.rpartition("?")[2].strip(" .})"))
        for each in shared.values()
        for pattern in re.split(rf" (?={_OPTIONAL})", each.get("pattern", ""))
    ]
    wanted: set[str] = set()
    groups, lines = [wanted], []
    for token in tokens(text):
        if token.text == "{":
            groups.append(set())
        elif token.text == "}" and len(groups) > 1:
            inner = groups.pop()
            groups[-1].update(inner if len(groups) > 1 else ())
        elif token.kind is TokenKind.VARIABLE:
            groups[-1].add(token.text[1:])
        elif token.kind is TokenKind.COMMENT and token.text.startswith(_MARK):
            lines.append((token, found := groups[-1].copy()))
            if token.text.split()[1:] == ["claim"]:
                groups[-1].update(name for each, name in patterns if each[:1] == "?")
    for token, found in reversed(lines):  # what follows stands where it stood
        name, *arguments = token.text.removeprefix(_MARK).split() or [""]
        if name == "prefixes":
            used = sorted(PREFIXES.keys() & _PREFIX.findall(text))
            made = [f"PREFIX {each}: <{PREFIXES[each]}>" for each in used]
        elif name in ("claim", "columns"):
            made = [
                pattern
                for pattern, column in patterns
                if column in wanted - found and (name == "columns" or pattern[0] == "?")
            ]
        else:
            made = _fragment(path, text.count("\n", 0, token.offset) + 1, name, arguments)
        margin = "\n" + " " * (token.offset - text.rfind("\n", 0, token.offset) - 1)
        end = token.offset + len(token.text)
        text = text[:end] + "".join(margin + each for each in (*made, _END)) + text[end:]
    return text


def line_of_file(text: str, line: int) -> int:
    """Return the line of the file for a line of the text that was made of it, both from 1."""
    number, is_made = 0, False
    for each in text.splitlines()[:line]:
        number += not is_made
        is_made = (is_made or each.lstrip().startswith(_MARK)) and each.strip() != _END
    return number


def _fragment(path: Path, line: int, name: str, arguments: list[str]) -> list[str]:
    """Return the lines of a fragment with its arguments, without the comment at its top."""
    folder = path.parent / "fragments"
    known = ["claim", "columns", "prefixes", *sorted(each.stem for each in folder.glob("*.rq"))]
    if name not in known:
        near = like(name, known, 1) or known
        raise HeaderError(path, line, f"There is no fragment {name!r}. Is it {', '.join(near)}?")
    faults: list[FileProblem] = []
    body = re.sub(r"\A(?:#.*\n)*", "", read_text_file(folder, f"{name}.rq", faults))
    for fault in faults:
        raise HeaderError(folder / f"{name}.rq", max(1, fault.line), fault.detail)
    count = max(map(int, _ARGUMENT.findall(body)), default=0)
    if count != len(arguments):
        taken = f"{name} takes {count} arguments, and {len(arguments)} are given."
        raise HeaderError(path, line, f"{taken} See {folder / name}.rq.")
    return _ARGUMENT.sub(lambda found: arguments[int(found[1]) - 1], body).splitlines()
