"""Stage 0: what stands in for the pre-trained parts that the report starts from.

The language model learns captions, answers and scenes told in words; the vision encoder learns, with linear heads that
are thrown away, what covers each of its patches, in what colour, and on what background.
"""

from __future__ import annotations

import dataclasses
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import JanusForConditionalGeneration

from . import device, nano, optimisers, progress, workers
from .render import PALETTE, coverage, render
from .sequences import Writer, pack
from .world import BACKGROUNDS, COUNT_MAX, LETTERS, SHAPES, Scene, sample_scene

THINGS = (*SHAPES, *LETTERS)
COVERED_MIN = 0.12  # of a patch: below, the patch counts as background


@dataclasses.dataclass(frozen=True)
class Plan:
    language_steps: int = 2400
    language_batch: int = 128
    language_rate: float = 2e-3
    vision_steps: int = 2000
    vision_batch: int = 32
    vision_rate: float = 1e-3
    seed: int = 1
    log_every: int = 50
    save_every: int = 250


def rate_at(step: int, steps: int, rate: float, warm_up: int = 100) -> float:
    """Warm-up, then a cosine to a tenth."""
    return rate * min(1, (step + 1) / warm_up) * (0.55 + 0.45 * math.cos(math.pi * step / steps))


def patch_truth(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """int64 [64] the thing of each patch (0: none) and [64] its colour (0: none)."""
    cells = nano.SIDE_PIXELS // nano.PATCH_PIXELS
    thing_of, colour_of = np.zeros((cells, cells), np.int64), np.zeros((cells, cells), np.int64)
    for thing in scene.things:
        share = coverage(thing).reshape(cells, nano.PATCH_PIXELS, cells, nano.PATCH_PIXELS).mean((1, 3))
        thing_of[share > COVERED_MIN] = 1 + THINGS.index(thing.shape)
        colour_of[share > COVERED_MIN] = 1 + tuple(PALETTE).index(thing.colour)
    return thing_of.ravel(), colour_of.ravel()


def vision(model: JanusForConditionalGeneration, plan: Plan, folder: Path, stop_at: float = math.inf) -> None:
    encoder = model.model.vision_model
    width = encoder.config.hidden_size
    torch.manual_seed(plan.seed)
    heads = torch.nn.ModuleDict(
        {
            "thing": torch.nn.Linear(width, 1 + len(THINGS)),
            "colour": torch.nn.Linear(width, 1 + len(PALETTE)),
            "background": torch.nn.Linear(width, len(BACKGROUNDS)),
            "count": torch.nn.Linear(width, COUNT_MAX),
        }
    )
    parameters = [*encoder.parameters(), *heads.parameters()]
    optimiser = optimisers.Optimisers(model.model.language_model, parameters)
    curve, path, first = progress.Curve(folder / "curves", "stage0-vision"), folder / "stage0-vision.pt", 0
    if state := progress.load(path):
        encoder.load_state_dict(state["encoder"]), heads.load_state_dict(state["heads"]), optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    encoder.train()
    for step in range(first, plan.vision_steps):
        r = random.Random(f"vision {plan.seed} {step} {workers.RANK}")
        scenes = [sample_scene(r) for _ in range(workers.share_of(plan.vision_batch))]
        x = device.pixels_in([render(scene)[0] for scene in scenes])
        things, colours = (device.of_numpy(np.stack(t)) for t in zip(*map(patch_truth, scenes), strict=True))
        ground = torch.tensor([tuple(BACKGROUNDS).index(scene.background) for scene in scenes])
        count = torch.tensor([len(scene.things) - 1 for scene in scenes])
        features = encoder(x).last_hidden_state
        logits = heads["thing"](features), heads["colour"](features)
        loss = F.cross_entropy(logits[0].flatten(0, 1), things.flatten()) + F.cross_entropy(logits[1].flatten(0, 1), colours.flatten())
        # what belongs to the whole picture is asked of every patch: the language model may look anywhere
        for name, truth in (("background", ground), ("count", count)):
            loss = loss + 0.3 * F.cross_entropy(heads[name](features).flatten(0, 1), truth[:, None].expand(-1, features.shape[1]).flatten())
        done = optimiser.learn(loss, rate_at(step, plan.vision_steps, plan.vision_rate), time.monotonic() > stop_at)
        if workers.RANK == 0 and (step + 1) % plan.log_every == 0:
            covered = things > 0
            curve.log(
                step + 1, loss=loss,
                things_wrong=(logits[0].argmax(-1) != things)[covered].float().mean(),
                colours_wrong=(logits[1].argmax(-1) != colours)[covered].float().mean(),
            )  # fmt: skip
        if workers.RANK == 0 and ((step + 1) % plan.save_every == 0 or step + 1 == plan.vision_steps or done):
            progress.save(path, {"encoder": encoder.state_dict(), "heads": heads.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1})
        if done:
            break


def language(model: JanusForConditionalGeneration, tokenizer: Tokenizer, plan: Plan, folder: Path, stop_at: float = math.inf) -> None:
    llama, head, writer = model.model.language_model, model.lm_head, Writer(tokenizer)
    parameters = [*llama.parameters(), *head.parameters()]
    optimiser = optimisers.Optimisers(llama, parameters)
    curve, path, first = progress.Curve(folder / "curves", "stage0-language"), folder / "stage0-language.pt", 0
    if state := progress.load(path):
        llama.load_state_dict(state["llama"]), head.load_state_dict(state["head"]), optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    model.train()
    for step in range(first, plan.language_steps):
        r = random.Random(f"language {plan.seed} {step} {workers.RANK}")
        batch = pack(writer, {"text": [writer.plain_sample(r) for _ in range(workers.share_of(plan.language_batch))]})
        with device.half():
            y = nano.hidden_states(llama, llama.embed_tokens(batch.ids), batch.positions, batch.groups)
            loss = F.cross_entropy(head(y[batch.text_at]).float(), batch.text_targets)
        done = optimiser.learn(loss, rate_at(step, plan.language_steps, plan.language_rate), time.monotonic() > stop_at)
        if workers.RANK == 0 and (step + 1) % plan.log_every == 0:
            curve.log(step + 1, loss=loss, tokens=len(batch.ids))
        if workers.RANK == 0 and ((step + 1) % plan.save_every == 0 or step + 1 == plan.language_steps or done):
            progress.save(path, {"llama": llama.state_dict(), "head": head.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1})
        if done:
            break
