"""The world: scenes whose truth is known, and the combinations that training never sees.

A scene is a plain background with one to four flat shapes, or with one or two letters. Everything that a caption, a
question or the scorer can ask about is a property of the scene, never of the pixels. Things are sixteen pixels wide and
high on a grid of eight, the picture tokenizer's cells: a cell then shows one of some five hundred sights, which is what
a codebook of 512 rows can hold and a language model of one million parameters can learn to spell.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass

SIDE_PIXELS = 64
GRID_PIXELS = 8
THING_PIXELS = 16

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "orange": (250, 140, 20),
    "yellow": (245, 220, 50),
    "green": (40, 160, 60),
    "cyan": (60, 200, 210),
    "blue": (40, 80, 220),
    "purple": (130, 50, 170),
    "pink": (245, 130, 180),
}
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (250, 250, 250),
    "gray": (128, 128, 128),
    "black": (20, 20, 20),
}
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")
LETTERS = ("A", "C", "E", "H", "L", "O", "T", "U")
COUNT_MAX = 4
LETTERS_MAX = 3

#: Letters are printed: black on white.
INK, INK_RGB, PAPER = "black", (20, 20, 20), "white"

#: One in this many combinations is held out: of (colour, shape, place) of a single thing, of two things in whatever
#: relation, of (count, colour, shape), and of two and three letters.
HELD_OUT_ONE_IN = 8


@dataclass(frozen=True)
class Thing:
    """One flat shape, or a letter (12×16 pixels): what it is, its colour, its centre in pixels."""

    shape: str
    colour: str
    x: int
    y: int

    @property
    def is_letter(self) -> bool:
        return self.shape in LETTERS


@dataclass(frozen=True)
class Scene:
    """`kind` is one of single, pair, count, text. Things of a pair stand in reading order (left or upper one first)."""

    kind: str
    background: str
    things: tuple[Thing, ...]

    @property
    def relation(self) -> str:
        """Of a pair: where the first thing stands, seen from the second."""
        first, second = self.things
        return "left" if abs(first.x - second.x) > abs(first.y - second.y) else "above"

    @property
    def text(self) -> str:
        return "".join(thing.shape for thing in self.things)


def place(x: float, y: float) -> str:
    """The word for a position: a cell of a 3×3 grid. Centres that the world draws stay four pixels away from its lines."""
    column = "left" if x < 20 else "right" if x > 44 else ""
    row = "top" if y < 20 else "bottom" if y > 44 else ""
    return f"{row} {column}".strip() or "center"


def _one_in(key: str, n: int) -> bool:
    return zlib.crc32(key.encode()) % n == 0


def is_held_out(scene: Scene) -> bool:
    """Whether training must never see this scene, or anything said of it."""
    names = sorted(f"{thing.colour} {thing.shape}" for thing in scene.things)
    match scene.kind:
        case "single":
            key = f"{names[0]} {place(scene.things[0].x, scene.things[0].y)}"
        case "pair":
            key = " and ".join(names)
        case "count":
            key = f"{len(names)} {names[0]}"
        case _:
            if len(scene.things) == 1:
                return False
            key = scene.text
    return _one_in(key, HELD_OUT_ONE_IN)


def _grid(r: random.Random, low: int, high: int) -> int:
    return r.randrange(low, high + 1, GRID_PIXELS)


def _single(r: random.Random) -> tuple[Thing, ...]:
    return (Thing(r.choice(SHAPES), r.choice(tuple(COLOURS)), _grid(r, 8, 56), _grid(r, 8, 56)),)


def _either_way(r: random.Random, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """A row as it is, or turned into a column."""
    return places if r.random() < 0.5 else [(y, x) for x, y in places]


def _pair(r: random.Random) -> tuple[Thing, ...]:
    """Two things of different shapes, side by side or one above the other."""
    shapes, colours = r.sample(SHAPES, 2), r.choices(tuple(COLOURS), k=2)
    across = _grid(r, 16, 48)
    places = _either_way(r, [(r.choice((8, 16)), across), (r.choice((48, 56)), across)])
    return tuple(Thing(shape, colour, x, y) for shape, colour, (x, y) in zip(shapes, colours, places, strict=True))


def _count(r: random.Random) -> tuple[Thing, ...]:
    """Two or three in a row or a column, four in a square."""
    shape, colour = r.choice(SHAPES), r.choice(tuple(COLOURS))
    match r.randint(2, COUNT_MAX):
        case 2:
            places = _either_way(r, [(x, y) for y in (_grid(r, 8, 56),) for x in (16, 48)])
        case 3:
            places = _either_way(r, [(x, y) for y in (_grid(r, 8, 56),) for x in (8, 32, 56)])
        case _:
            left, top = _grid(r, 8, 24), _grid(r, 8, 24)
            places = [(left + dx, top + dy) for dy in (0, 32) for dx in (0, 32)]
    return tuple(Thing(shape, colour, x, y) for x, y in places)


def _text(r: random.Random) -> tuple[Thing, ...]:
    letters, y = r.choices(LETTERS, k=r.randint(1, LETTERS_MAX)), r.choice((24, 32, 40))
    left = SIDE_PIXELS // 2 - 8 * (len(letters) - 1)
    return tuple(Thing(letter, INK, left + THING_PIXELS * i, y) for i, letter in enumerate(letters))


_MAKERS = {"single": _single, "pair": _pair, "count": _count, "text": _text}
KIND_WEIGHTS = {"single": 0.2, "pair": 0.5, "count": 0.2, "text": 0.1}


def sample_scene(r: random.Random, kind: str | None = None, held_out: bool = False) -> Scene:
    """A random scene, of the training side or of the held-out side of the world."""
    kind = kind or r.choices(tuple(KIND_WEIGHTS), weights=tuple(KIND_WEIGHTS.values()))[0]
    while True:
        scene = Scene(kind, PAPER if kind == "text" else r.choice(tuple(BACKGROUNDS)), _MAKERS[kind](r))
        if is_held_out(scene) == held_out:
            return scene
