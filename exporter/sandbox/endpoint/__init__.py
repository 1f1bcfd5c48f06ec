"""A request becomes an answer, without any I/O: `endpoint` is the way in.

`parameters` reads a query, `pages` finds who is on it, `cursors` and `itemcursors` write positions, `misreadings` are
what a service may make of cursors it never issued, `incremental` is the other export, `answers` are refusals and
envelopes.
"""
