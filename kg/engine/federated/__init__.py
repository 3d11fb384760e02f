"""SERVICE for endpoints that are allowed, carried out before the query."""
