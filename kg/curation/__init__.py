"""For curators: the quality report, disagreements, terms to request, and the sources as citations."""
