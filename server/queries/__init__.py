"""The canned queries over HTTP."""
