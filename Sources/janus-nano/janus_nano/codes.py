"""The codes of the pictures that the model learns to draw, computed once."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from transformers.models.janus.modeling_janus import JanusVQVAE

from . import device, progress, vq, workers
from .render import render
from .world import Scene, sample_scene

CHUNK = 64


def scene_of(seed: int, index: int) -> Scene:
    """The `index`th scene of this worker."""
    index = workers.RANK + workers.COUNT * index
    return sample_scene(random.Random(f"drawn {seed} {index}"))


def as_input(scenes: list[Scene]) -> torch.Tensor:
    """f32 [B,3,64,64] in −1…1."""
    return device.pixels_in([render(scene)[0] for scene in scenes])


@torch.no_grad()
def cached(model: JanusVQVAE, count: int, seed: int, folder: Path) -> np.ndarray:
    """int64 [this worker's share of count,64]; goes on where an earlier, shorter run ended."""
    model.eval()
    count, path = workers.share_of(count), folder / f"codes-{workers.RANK}-of-{workers.COUNT}.pt"
    state = progress.load(path)
    parts = [state["codes"]] if state else []
    done = len(parts[0]) if parts else 0
    while done < count:
        scenes = [scene_of(seed, i) for i in range(done, min(done + CHUNK, count))]
        parts.append(vq.encode(model, as_input(scenes)).to(torch.int16).cpu())
        done += len(scenes)
        if done % (CHUNK * 16) == 0:
            parts = [torch.cat(parts)]
            progress.save(path, {"codes": parts[0]})
            print(f"codes of {done} of {count} pictures", flush=True)
    codes = torch.cat(parts)
    progress.save(path, {"codes": codes})
    return codes[:count].long().numpy()
