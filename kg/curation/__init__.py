"""For curators: the quality report, disagreements, and the sources as citations."""
