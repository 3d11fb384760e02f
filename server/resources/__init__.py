"""Linked data: documents of resources, of mappings and of sources."""
