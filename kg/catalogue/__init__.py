"""The canned queries: their front matter, parameters, and what they may name."""
