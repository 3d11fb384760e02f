"""How records are worded: the labels that the build composes."""
