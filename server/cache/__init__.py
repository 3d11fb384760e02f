"""The exact cache: WSGI middleware that answers a repeated question without asking the app.

A version of the data never changes, so an answer that the app marks `Cache-Control: public` stays
right for as long as the app lives. It is kept whole, with its entity tag, in each content coding
that was asked for, within a budget of bytes.

- `middleware` is the WSGI application: hits, misses, and single flight.
- `key` reads from a request which question it puts, however it is sent.
- `entries` are finished answers, ready to be sent.
- `store` keeps them within the budget.
- `codings` chooses the content coding and compresses.
"""

from __future__ import annotations

from server.cache.middleware import Cache, Lookup

__all__ = ["Cache", "Lookup"]
