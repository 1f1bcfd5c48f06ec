"""Names of people, numbered in the order in which the service would sort them.

Collation: by `str.casefold`, code point by code point. So letters sort without regard to case, and what lies beyond
the basic plane sorts after ASCII (both observed). What the service makes of accents is not known; here they count.

A name is one first name and some last names. In neither table is an entry the beginning of another that goes on with a
space or less: so names sort as their numbers do, digit by digit, the k-th name is known without a list, and where any
text would stand among them is a bisection away.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from typing import TypeVar

_Text = TypeVar("_Text", str, bytes)

_FIRST = (
    "Aaliyah", "Adam", "Ágnes", "Ahmed", "Aiko", "Alejandro", "ALICE", "Aliyu", "Amélie", "Ana", "André",
    "Anouk", "Ayşe", "beatriz", "Benjamín", "Birgit", "Björn", "Camille", "Carlos", "Chen", "Chiara", "Chloé",
    "Daan", "Dafydd", "Diego", "Dmytro", "Eilidh", "Elif", "ELIZABETH", "Emeka", "Emil", "Esther", "Fatima",
    "Femke", "Finn", "Freja", "Gabriel", "Giulia", "Grace", "Gustavo", "Hana", "Hassan", "Helena", "Hiroshi",
    "Hugo", "ibrahim", "Ingrid", "Isabel", "Ivan", "Jamal", "Jan", "Jasmine", "Joaquín", "José", "JOSHUAT",
    "Júlia", "Kai", "Katarzyna", "Kenji", "Kofi", "Lars", "Layla", "Léa", "Liam", "Lucía", "Luís", "Magnus",
    "Maria", "Mateus", "Mei", "Miguel", "Mohammed", "Nadia", "Ngozi", "Niamh", "Nikolaj", "Noa", "Olga",
    "Oliver", "Omar", "Paolo", "Pedro", "Priya", "Rafael", "Rahul", "Renée", "Rosa", "Saoirse", "Sara",
    "Sébastien", "Sigrid", "Sofia", "Sven", "Tadeusz", "Tamar", "Thomas", "Tove", "Uchenna", "Valentina",
    "Viktor", "Wanjiru", "William", "Xavier", "Yara", "Yusuf", "Zofia", "Zoë",
)  # fmt: skip

_AWKWARD_FIRST = (
    '"Quoted"', "'Single'", "`rm -rf`", "\\Back\\slash\\", "<script>", "&amp;", "%00", "=1+1", "\x00Nul",
    "Bell\x07", "Tab\tbed", "New\nline", "Return\r\n", "Esc\x1b[31m", "Del\x7f", "Next\x85", "\u2028Separator",
    "\u202eoverride", "\ufeffBom", "Z̸͎̿a̷l̶g̴o̵", "أحمد", "שרה", "山田", "นภา", "Ελένη", "ЖАННА", "ß-Scharf",
    "İstanbul", "ﬁligature", "🎯A", "🎯on", "🎯SUPPORT", "👩‍👩‍👧‍👦", "𝕱𝖗𝖆𝖐",
)  # fmt: skip

_LAST = (
    "Abdi", "Adeyemi", "Almeida", "Andersen", "Antunes", "Bakker", "Barbosa", "Bauer", "Becker", "Bianchi",
    "Brown", "Çelik", "Chukwu", "Cohen", "Costa", "da Silva", "de Vries", "Demir", "Díaz", "Diallo", "Dubois",
    "Eriksen", "Evans", "Fernández", "Fischer", "Fontana", "García", "Gomes", "Greco", "Haddad", "Hansen",
    "Hernández", "Horvat", "Hussain", "Ito", "Jansen", "Jensen", "Johansson", "Kamau", "Kaya", "Khan", "Kim",
    "Kovács", "Kowalska", "Larsen", "Lefèvre", "Levy", "López", "MacDonald", "Marino", "Martínez", "McGrath",
    "Mendes", "Moreau", "Müller", "Mwangi", "Nakamura", "Nguyễn", "Novák", "O'Neill", "Okafor", "Olsen",
    "Öztürk", "Papadopoulos", "Park", "Patel", "Pereira", "Petrov", "Pinto", "Popescu", "Ricci", "Rossi",
    "Ruiz", "Saito", "Santos", "Schmidt", "Schneider", "Sharma", "Singh", "Smith", "Takahashi", "Tanaka",
    "Taylor", "Thomsen", "Tremblay", "Valdés", "van den Berg", "Vargas", "von Weber", "Walker", "Wang",
    "Wójcik", "Wright", "Yamamoto", "Yılmaz", "Zhang",
)  # fmt: skip


def _json(text: str) -> bytes:
    """Encode text as the inside of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


class Names:
    """All the names an account can draw on: `least` or more, numbered in order.

    :param least: how many are needed.
    :param plain: leave out what is awkward: quotes, control characters, other scripts, emoji.
    """

    def __init__(self, least: int, *, plain: bool) -> None:
        self.first = sorted(_FIRST if plain else _FIRST + _AWKWARD_FIRST, key=str.casefold)
        self.last = sorted(_LAST, key=str.casefold)
        self.depth = 1
        self.total = len(self.first) * len(self.last)
        while self.total < least:
            self.depth += 1
            self.total *= len(self.last)
        self._followers: int = len(self.last) ** self.depth  # how many names a first name has
        self._scales: list[int] = [len(self.last) ** power for power in range(self.depth - 1, -1, -1)]
        # A last name has its space before it: names are made by the million.
        self._texts = self.first, [f" {text}" for text in self.last]
        self._json = [_json(text) for text in self._texts[0]], [_json(text) for text in self._texts[1]]

    def text(self, number: int) -> str:
        """Return a name, as text."""
        return self._make(self._texts, number)

    def json(self, number: int) -> bytes:
        """Return a name as the inside of a JSON string, in UTF-8."""
        return self._make(self._json, number)

    def position(self, text: str) -> float:
        """Tell where a text stands among all names: at n if it is the n-th name, at n - 0.5 if it sorts before it."""
        folded = text.casefold()
        number = bisect_left(range(self.total), folded, key=self._folded)
        return number if number < self.total and self._folded(number) == folded else number - 0.5

    def _folded(self, number: int) -> str:
        return self.text(number).casefold()

    def _make(self, words: tuple[list[_Text], list[_Text]], number: int) -> _Text:
        first, last = words
        name = first[number // self._followers]
        for scale in self._scales:
            name += last[number // scale % len(last)]
        return name
