"""Which requests go wrong, and how: `script` reads the rules, `strikes` decide when.

`refusals` are answers that are no page, `spoils` spoil an honest page, `breakages` deliver an answer badly.
"""
