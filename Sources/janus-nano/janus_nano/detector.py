"""What is in a picture, by rule: colour segmentation, then shape by overlap with the ideal outline of the same box.

It knows nothing of how the picture was made, and reads renderings, reconstructions and drawings alike.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .render import PALETTE, distance, glyph
from .world import BACKGROUNDS, LETTERS, SHAPES, Scene, place

AREA_PIXELS_MIN = 40  # smaller blobs are blemishes, not things (a thing has 100 pixels and more)
CONTRAST_MIN = 60.0  # distance from the background, in RGB units
OVERLAP_MIN = 0.62  # intersection over union with the best outline: below, the shape counts as unknown
SIDE_PIXELS_MIN = 9
LOST_PIXELS = (0, 1)
TOUCHING = np.ones((3, 3), int)  # corners touch: strokes of letters meet there
LETTER_ASPECT_MAX = 0.85  # width by height: letters are 3:4, shapes 1:1


@dataclass(frozen=True)
class Found:
    shape: str  # "unknown" where no outline fits
    colour: str
    x: float
    y: float
    overlap: float


@dataclass(frozen=True)
class Reading:
    background: str
    things: tuple[Found, ...]

    @property
    def text(self) -> str:
        return "".join(thing.shape for thing in sorted(self.things, key=lambda t: t.x))


def _nearest(colour: np.ndarray, palette: dict[str, tuple[int, int, int]]) -> str:
    return min(palette, key=lambda name: float(np.abs(np.array(palette[name], np.float32) - colour).sum()))


@functools.cache
def _outline(name: str, width: int, height: int, lost: int) -> np.ndarray:
    """bool [height,width]: the thing filling its box, but for `lost` pixels on each side: a diamond's tip is thinner than a
    pixel, and where it is not seen the box is too small."""
    if name in LETTERS:
        ink = glyph(name) > 0.5
        rows = np.minimum((np.arange(height) + 0.5) * ink.shape[0] / height, ink.shape[0] - 1).astype(int)
        columns = np.minimum((np.arange(width) + 0.5) * ink.shape[1] / width, ink.shape[1] - 1).astype(int)
        return ink[rows][:, columns]
    x = np.broadcast_to((np.arange(width, dtype=np.float32) + 0.5) * 2 - width, (height, width)) / (width + 2 * lost)
    y = np.broadcast_to(((np.arange(height, dtype=np.float32) + 0.5) * 2 - height)[:, None], (height, width)) / (height + 2 * lost)
    return distance(name, x, y, 1.0) <= 0


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def read(picture: np.ndarray) -> Reading:
    """The background and every thing of a uint8 [64,64,3] picture."""
    image = picture.astype(np.float32)
    border = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    ground = np.median(border, axis=0)
    away = np.sqrt(((image - ground) ** 2).sum(-1))
    blobs, count = ndimage.label(away > CONTRAST_MIN, TOUCHING)
    found = []
    for index in range(1, count + 1):
        rough = blobs == index
        if rough.sum() < AREA_PIXELS_MIN:
            continue
        strong = rough & (away >= np.quantile(away[rough], 0.4))
        colour = np.median(image[strong], axis=0)
        # a pixel belongs to the thing from half-way between background and thing on
        axis = colour - ground
        share = ((image - ground) @ axis) / max(float(axis @ axis), 1.0)
        mask, pieces = ndimage.label((share > 0.5) & ndimage.binary_dilation(rough), TOUCHING)
        if pieces == 0:
            continue
        sizes = np.bincount(mask.ravel())[1:]
        mask = mask == 1 + sizes.argmax()
        rows, columns = np.nonzero(mask)
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        width, height = int(right - left), int(bottom - top)
        if mask.sum() < AREA_PIXELS_MIN or min(width, height) < SIDE_PIXELS_MIN:
            continue
        box = mask[top:bottom, left:right]
        names = LETTERS if width / height < LETTER_ASPECT_MAX else SHAPES
        overlaps = {name: max(_overlap(box, _outline(name, width, height, lost)) for lost in LOST_PIXELS) for name in names}
        best = max(overlaps, key=lambda name: overlaps[name])
        found.append(
            Found(best if overlaps[best] >= OVERLAP_MIN else "unknown", _nearest(colour, PALETTE), (left + right) / 2, (top + bottom) / 2, overlaps[best])
        )
    return Reading(_nearest(ground, BACKGROUNDS), tuple(sorted(found, key=lambda t: (t.y, t.x))))


def agrees(reading: Reading, scene: Scene, slack_pixels: float = 3.0) -> bool:
    """Whether the picture shows exactly the scene: background, every thing with shape, colour and place, and no other."""
    if reading.background != scene.background or len(reading.things) != len(scene.things):
        return False
    left = list(reading.things)
    for thing in scene.things:
        match = [
            f
            for f in left
            if (f.shape, f.colour) == (thing.shape, thing.colour) and abs(f.x - thing.x) <= slack_pixels and abs(f.y - thing.y) <= slack_pixels
        ]
        if not match:
            return False
        left.remove(match[0])
    return True


def relation(one: Found, other: Found) -> str:
    """Where `one` stands, seen from `other`."""
    dx, dy = one.x - other.x, one.y - other.y
    return ("left" if dx < 0 else "right") if abs(dx) > abs(dy) else ("above" if dy < 0 else "below")


def where(found: Found) -> str:
    return place(found.x, found.y)
