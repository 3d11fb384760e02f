"""Search: from what people write to the things that they mean."""
