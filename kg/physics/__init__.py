"""The physics of light and heat in skin: formulas, and functions that queries can call."""
