"""Oxigraph in this process: the only room that knows pyoxigraph."""
