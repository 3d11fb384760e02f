"""From the files that a curator edits to terms, rows and triples, with the place of every fault."""
