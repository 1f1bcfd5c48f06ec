"""The network: the only part that needs aiohttp.

`app` serves, `delivery` writes answers, `limits` counts requests, `statistics` and `control` tell tests what was done.
"""
