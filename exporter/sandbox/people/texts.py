"""What users are made of: ordinary values, and awkward ones."""

from __future__ import annotations

import json

HOST = "https://sandbox.zendesk.com"
"""The address in the `url` fields: the same wherever the sandbox listens, so that a user is the same bytes."""


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def wire(value: object) -> bytes:
    """Encode a value as the service does: without spaces, and text beyond ASCII as UTF-8 (observed)."""
    return _encode(value).encode()


ZONES = (
    ("Eastern Time (US & Canada)", "America/New_York"),
    ("Pacific Time (US & Canada)", "America/Los_Angeles"),
    ("London", "Europe/London"),
    ("Lisbon", "Europe/Lisbon"),
    ("Berlin", "Europe/Berlin"),
    ("Tokyo", "Asia/Tokyo"),
    ("Chennai", "Asia/Kolkata"),
    ("Brasilia", "America/Sao_Paulo"),
)

LOCALES = (
    (1, "en-US"),
    (1, "en-US"),
    (1176, "en-GB"),
    (1011, "pt"),
    (8, "de"),
    (67, "ja"),
    (1176, "en-GB"),
    (19, "pt-BR"),
)
"""The language spoken at each of `ZONES`."""

TAGS: tuple[list[str], ...] = (
    [],
    [],
    [],
    [],
    ["vip"],
    ["newsletter", "eu"],
    ["beta", "churn_risk", "enterprise", "imported_2019"],
    ["münchen", "東京", "a-b_c/d"],
)

ORDINARY = (
    None,
    None,
    None,
    None,
    None,
    None,
    "",
    "",
    "Prefers e-mail.",
    "Met at the trade fair in Hannover.",
    "Key account since 2016; contract renewed twice.",
    "Calls from two numbers.",
    "Billing contact only",
    "See also the parent company, same address.",
    "Gate code on request",
    "Speaks Portuguese — “só português”.",
)

AWKWARD = (
    "She said \"no\", and 'maybe'.",
    "C:\\temp\\new\\u0041",
    "one\ntwo\r\nthree\tfour",
    "nul\x00 bell\x07 esc\x1b[31mred\x1b[0m",
    "del\x7f next\x85 csi\x9b",
    "line\u2028paragraph\u2029separators",
    "\u202eoverridden\u202c שלום، مرحبا",
    "👩‍👩‍👧‍👦 🎯 🇵🇹 \U0010ffff",
    "Z̷̢̛͓͇̆̓a̴̡̤̓l̸̨̛g̶̱̈o̷̯͝",
    "\ufeffbyte order mark",
    "<script>alert('x')</script> &amp; 100 %d",
    "../../etc/passwd",
    '=HYPERLINK("http://example.com")',
    '{"id":1,"role":"admin"},{"id":2}',
    '"meta":{"cursor":"eyJvIjoiaWQi"}}',
    ']},"meta":{"has_more":false}',
)
"""The last ones look like the page around them, for readers who search where they ought to parse."""

_PARAGRAPH = "On the phone for an hour — “again”: nothing was wrong, but it's all written down here, word for word.\n"

LONG_NOTES = {100: _PARAGRAPH * 60, 200: _PARAGRAPH * 400}
"""Notes of 6 and of 42 kB, for two templates in 256."""

ORDINARY_FIELDS = tuple(
    wire(
        {
            "plan": ("free", "starter", "team", "enterprise")[number % 4],
            "seats": number % 5 * 25,
            "account_number": (number + 1) * 71_117_315_900_713_061,  # more digits than a float can hold
            "newsletter": number % 3 == 0,
            "score": number / 4,
            "renewal_date": f"20{number % 16 + 10}-01-31T00:00:00+00:00" if number % 7 else None,
            "region": "region_emea" if number % 2 else None,
        }
    )
    for number in range(64)
)
"""User fields of every type that the service knows (documented): text, number, checkbox, decimal, date, drop-down."""

AWKWARD_FIELDS = (
    b'{"meta":"not a cursor","cursor":"neither"}',
    b'{"meta":{"page":{"cursor":"eyJvIjoiaWQi"}}}',
    b'{"account_number":9007199254740993}',
    b'{"account_number":-9223372036854775808}',
    b'{"account_number":123456789012345678901234567890}',
    b'{"ratio":1.10,"tiny":1.0e-7,"zero":-0.0}',
    b'{"":"","quoted \\"key\\"":true,"\xc3\xbcml\xc3\xa4ut":"\\u0000"}',
    b'{"dropdown":"tag_a","since":"2021-02-03T00:00:00+00:00","none":null,"no":false}',
)
"""Written by hand, as the numbers lose digits, zeros or signs where they are read as 64-bit integers or floats."""
