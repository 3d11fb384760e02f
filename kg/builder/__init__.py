"""Building: from the files that curators edit to one dataset in named graphs; see ``build``."""
