"""OAuth as the service does it: `grants` gives tokens, `consent` asks a person, `registry` knows who may do what.

What is documented, observed or reported of `/oauth/tokens` is what it does; no I/O here.
"""
