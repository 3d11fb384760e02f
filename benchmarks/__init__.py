"""The service beside other SPARQL servers: same data, same questions, same machine, one run."""
