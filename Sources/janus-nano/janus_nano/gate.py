"""The gate of the picture tokenizer: what the detector still reads of its reconstructions."""

from __future__ import annotations

import random

import torch
from transformers.models.janus.modeling_janus import JanusVQVAE

from . import codes, detector, device, vq
from .world import KIND_WEIGHTS, sample_scene


@torch.no_grad()
def reconstruction(model: JanusVQVAE, count: int, seed: int) -> dict[str, float]:
    """Share of unseen pictures that the detector still reads rightly after encoding and decoding, by kind of scene."""
    out: dict[str, float] = {}
    for held_out in (False, True):
        for kind in KIND_WEIGHTS:
            r = random.Random(f"reconstruction {seed} {kind} {held_out}")
            right = done = 0
            while done < count:
                scenes = [sample_scene(r, kind, held_out) for _ in range(min(32, count - done))]
                shown = device.pixels_out(model.decode(vq.encode(model, codes.as_input(scenes))))
                right += sum(detector.agrees(detector.read(p), s) for p, s in zip(shown, scenes, strict=True))
                done += len(scenes)
            out[kind + (" (held out)" if held_out else "")] = right / count
    return out
