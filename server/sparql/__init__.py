"""The SPARQL endpoint: the view, the fast path beside it, its description, and stopping a query."""
