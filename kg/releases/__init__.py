"""The dataset that ships with the package: built, validated, kept for next time, ready to be loaded."""
