"""SPARQL as text: its tokens, its errors with their places, values in the place of variables; no engine."""
