"""Small tools for RDF: namespaces, terms, formats; knows nothing of the rest."""
