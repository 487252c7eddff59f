"""Scenes to pixels: signed distances to each outline, one pixel of anti-aliasing."""

from __future__ import annotations

import functools

import numpy as np

from .world import BACKGROUNDS, COLOURS, INK, INK_RGB, SIDE_PIXELS, THING_PIXELS, Scene, Thing

GLYPHS = {
    "A": ("###", "#.#", "###", "#.#", "#.#"),
    "C": ("###", "#..", "#..", "#..", "###"),
    "E": ("###", "#..", "##.", "#..", "###"),
    "H": ("#.#", "#.#", "###", "#.#", "#.#"),
    "L": ("#..", "#..", "#..", "#..", "###"),
    "O": ("###", "#.#", "#.#", "#.#", "###"),
    "T": ("###", ".#.", ".#.", ".#.", ".#."),
    "U": ("#.#", "#.#", "#.#", "#.#", "###"),
}
GLYPH_COLUMN_PIXELS, GLYPH_ROW_PIXELS = 4, (3, 3, 4, 3, 3)
PALETTE = {**COLOURS, INK: INK_RGB}
CROSS_ARM = 0.375  # half the width of an arm, of the radius
RING_HOLE = 0.45  # radius of the hole, of the radius


@functools.cache
def _pixel_centres(side: int) -> tuple[np.ndarray, np.ndarray]:
    axis = np.arange(side, dtype=np.float32) + 0.5
    return np.broadcast_to(axis[None, :], (side, side)), np.broadcast_to(axis[:, None], (side, side))


def distance(shape: str, x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """Signed distance in pixels to the outline (negative inside), x and y from the centre. Every shape fills a square box."""
    ax, ay = np.abs(x), np.abs(y)
    match shape:
        case "circle":
            return np.hypot(x, y) - radius
        case "square":
            return np.maximum(ax, ay) - radius
        case "diamond":
            return (ax + ay - radius) / np.float32(2**0.5)
        case "triangle":
            return np.maximum(y - radius, (2 * ax - (y + radius)) / np.float32(5**0.5))
        case "cross":
            arm = CROSS_ARM * radius
            return np.minimum(np.maximum(ax - radius, ay - arm), np.maximum(ax - arm, ay - radius))
        case "ring":
            hole = RING_HOLE * radius
            return np.abs(np.hypot(x, y) - (radius + hole) / 2) - (radius - hole) / 2
        case _:
            raise ValueError(f"no such shape: {shape}")


@functools.cache
def glyph(letter: str) -> np.ndarray:
    """f32 [16,12], 1 on strokes."""
    rows = np.array([[cell == "#" for cell in row] for row in GLYPHS[letter]], np.float32)
    return rows.repeat(GLYPH_ROW_PIXELS, axis=0).repeat(GLYPH_COLUMN_PIXELS, axis=1)


def coverage(thing: Thing, side: int = SIDE_PIXELS, radius: float = THING_PIXELS / 2) -> np.ndarray:
    """f32 [side, side]: the share of each pixel that the thing covers. A letter has one size only."""
    if thing.is_letter:
        mask, ink = np.zeros((side, side), np.float32), glyph(thing.shape)
        top, left = thing.y - ink.shape[0] // 2, thing.x - ink.shape[1] // 2
        mask[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
        return mask
    x, y = _pixel_centres(side)
    return np.clip(0.5 - distance(thing.shape, x - thing.x, y - thing.y, radius), 0, 1)


def render(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [64,64,3] and f32 [64,64] coverage of all things."""
    picture = np.broadcast_to(np.array(BACKGROUNDS[scene.background], np.float32), (SIDE_PIXELS, SIDE_PIXELS, 3)).copy()
    covered = np.zeros((SIDE_PIXELS, SIDE_PIXELS), np.float32)
    for thing in scene.things:
        share = coverage(thing)
        picture += share[..., None] * (np.array(PALETTE[thing.colour], np.float32) - picture)
        covered = np.maximum(covered, share)
    return np.rint(picture).astype(np.uint8), covered
