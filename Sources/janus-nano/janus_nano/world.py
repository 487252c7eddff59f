"""The world: scenes whose truth is known, and the combinations that training never sees.

A scene is a plain background with one to four flat shapes, or with one or two letters. Everything that a caption, a
question or the scorer can ask about is a property of the scene, never of the pixels. Positions lie on a grid of four
pixels: an edge then meets the picture tokenizer's 8×8 cells in few ways, which a codebook of 512 rows can hold.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass

SIDE_PIXELS = 64
GRID_PIXELS = 4

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
SIZES = {"small": 8, "medium": 12, "large": 16}
COUNT_MAX = 4

LETTER_COLUMNS, LETTER_ROWS, LETTER_SCALE_PIXELS = 5, 7, 4

#: (colour, shape) pairs that no training scene contains, in any picture, caption or question: each colour and each
#: shape appears once at most, so that every word is known from other pairs.
HELD_OUT_PAIRS = frozenset({("red", "diamond"), ("green", "ring"), ("blue", "triangle"), ("orange", "cross"), ("pink", "square")})

#: One in this many combinations of (colour, shape, count) and of (object, relation, object) is held out besides.
HELD_OUT_ONE_IN = 8


@dataclass(frozen=True)
class Thing:
    """One flat shape or letter: centre in pixels, radius (half of its side) in pixels. A letter is 20×28 pixels."""

    shape: str
    colour: str
    x: int
    y: int
    radius: int

    @property
    def size(self) -> str:
        return next(name for name, radius in SIZES.items() if radius == self.radius)

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


def place(thing_x: float, thing_y: float) -> str:
    """The word for a position: a cell of a 3×3 grid. Centres that training draws stay two pixels away from its lines."""
    column = "left" if thing_x < 26 else "right" if thing_x > 38 else ""
    row = "top" if thing_y < 26 else "bottom" if thing_y > 38 else ""
    return f"{row} {column}".strip() or "center"


def _one_in(key: str, n: int) -> bool:
    return zlib.crc32(key.encode()) % n == 0


def is_held_out(scene: Scene) -> bool:
    """Whether training must never see this scene."""
    if any((thing.colour, thing.shape) in HELD_OUT_PAIRS for thing in scene.things):
        return True
    if scene.kind == "pair":
        first, second = scene.things
        key = f"{first.colour} {first.shape} {scene.relation} {second.colour} {second.shape}"
        return _one_in(key, HELD_OUT_ONE_IN)
    if scene.kind == "count" and len(scene.things) > 1:
        return _one_in(f"{len(scene.things)} {scene.things[0].colour} {scene.things[0].shape}", HELD_OUT_ONE_IN)
    if scene.kind == "text":
        return len(scene.things) > 1 and _one_in(scene.text, HELD_OUT_ONE_IN)
    return False


def _grid(random_source: random.Random, low: int, high: int) -> int:
    return random_source.randrange(low, high + 1, GRID_PIXELS)


def _single(r: random.Random) -> tuple[Thing, ...]:
    radius = r.choice(tuple(SIZES.values()))
    low = radius + GRID_PIXELS
    return (Thing(r.choice(SHAPES), r.choice(tuple(COLOURS)), _grid(r, low, SIDE_PIXELS - low), _grid(r, low, SIDE_PIXELS - low), radius),)


def _pair(r: random.Random) -> tuple[Thing, ...]:
    kinds = [(shape, colour) for shape in SHAPES for colour in COLOURS]
    while True:
        (shape_a, colour_a), (shape_b, colour_b) = r.sample(kinds, 2)
        if shape_a != shape_b:
            break
    radius_a, radius_b = r.choice((8, 12)), r.choice((8, 12))
    a = 16 if radius_a == 12 else r.choice((12, 16))
    b = 48 if radius_b == 12 else r.choice((48, 52))
    across = r.choice((24, 28, 32, 36, 40))
    other = min(40, max(24, across + r.choice((-4, 0, 4))))
    if r.random() < 0.5:
        return Thing(shape_a, colour_a, a, across, radius_a), Thing(shape_b, colour_b, b, other, radius_b)
    return Thing(shape_a, colour_a, across, a, radius_a), Thing(shape_b, colour_b, other, b, radius_b)


def _count(r: random.Random, count: int | None = None) -> tuple[Thing, ...]:
    shape, colour = r.choice(SHAPES), r.choice(tuple(COLOURS))
    count = count or r.randint(2, COUNT_MAX)
    cells = sorted(r.sample([(x, y) for y in (12, 32, 52) for x in (12, 32, 52)], count), key=lambda c: (c[1], c[0]))
    return tuple(Thing(shape, colour, x, y, SIZES["small"]) for x, y in cells)


def _text(r: random.Random) -> tuple[Thing, ...]:
    colour = r.choice(tuple(COLOURS))
    y = r.choice((28, 32, 36))
    if r.random() < 0.25:
        return (Thing(r.choice(LETTERS), colour, r.choice((30, 34)), y, 14),)
    return tuple(Thing(r.choice(LETTERS), colour, x, y, 14) for x in (18, 46))


_MAKERS = {"single": _single, "pair": _pair, "count": _count, "text": _text}
KIND_WEIGHTS = {"single": 0.3, "pair": 0.35, "count": 0.22, "text": 0.13}


def sample_scene(r: random.Random, kind: str | None = None, held_out: bool = False) -> Scene:
    """A random scene, of the training side or of the held-out side of the world."""
    kind = kind or r.choices(tuple(KIND_WEIGHTS), weights=tuple(KIND_WEIGHTS.values()))[0]
    while True:
        scene = Scene(kind, r.choice(tuple(BACKGROUNDS)), _MAKERS[kind](r))
        if is_held_out(scene) == held_out:
            return scene
