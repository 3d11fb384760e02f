"""What Schemathesis has to know besides the description of the API."""

from __future__ import annotations

import schemathesis
from schemathesis import SerializationContext


def as_it_is(_: SerializationContext, value: object) -> dict[str, object]:
    """Return the arguments for `requests` with which a body is sent that is a query."""
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


schemathesis.serializer("application/sparql-query")(as_it_is)
