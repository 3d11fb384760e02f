"""Any endpoint of the SPARQL 1.1 Protocol as the engine behind the service."""
