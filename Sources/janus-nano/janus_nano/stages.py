"""Stages I, II and III of the report (its Table 2), in small.

I   adaptors and image head; the language model and both encoders frozen; understanding : text : drawing 1 : 0 : 3
II  everything but the two encoders; 2 : 3 : 5
III the understanding encoder too; 5 : 1 : 4

AdamW (0.9, 0.95), clip 1.0, no decay, warm-up, all kinds of data in each packed step, prompts of drawings dropped in
10 %. Rates are several times the report's, and the last third of stage III falls to zero: a small model wants both.
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

from . import codes as cache
from . import device, language, nano, optimisers, progress, workers
from .sequences import Batch, Writer, pack

PROMPTS_DROPPED = 0.1


@dataclasses.dataclass(frozen=True)
class Stage:
    name: str
    steps: int
    rate: float
    warm_up: int
    mix: tuple[int, int, int]  # understanding, text, drawing: samples a step
    falling_from: float = 1.0  # share of the steps after which the rate falls to zero


STAGES = {
    "1": Stage("1", 300, 5e-3, 40, (12, 0, 36)),
    "2": Stage("2", 7000, 2e-3, 100, (10, 15, 25), falling_from=0.55),
    "3": Stage("3", 1200, 4e-4, 50, (20, 4, 16), falling_from=0.1),
}


def trainable(model: JanusForConditionalGeneration, stage: str) -> list[torch.nn.Parameter]:
    core = model.model
    modules = [core.aligner, core.generation_aligner, core.generation_embeddings, core.generation_head]
    if stage != "1":
        modules += [core.language_model, model.lm_head]
    if stage == "3":
        modules.append(core.vision_model)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    parameters = [parameter for module in modules for parameter in module.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    return parameters


def embed(model: JanusForConditionalGeneration, batch: Batch) -> torch.Tensor:
    """[N,H]: words, features of pictures seen, codes of pictures drawn."""
    core = model.model
    x = core.language_model.embed_tokens(batch.ids)
    if len(batch.pictures):
        learnt = core.vision_model.embeddings.patch_embedding.weight.requires_grad
        with torch.set_grad_enabled(learnt), device.half(enabled=False):
            features = core.vision_model(batch.pictures).last_hidden_state
        x = x.index_put((batch.seen_at,), core.aligner(features).flatten(0, 1).to(x.dtype))
    if len(batch.codes_at):
        drawn = core.generation_aligner(core.generation_embeddings(batch.codes_in))
        x = x.index_put((batch.codes_at,), drawn.to(x.dtype))
    return x


def losses(model: JanusForConditionalGeneration, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross entropies of text and of codes."""
    y = nano.hidden_states(model.model.language_model, embed(model, batch), batch.positions, batch.groups)
    text = F.cross_entropy(model.lm_head(y[batch.text_at]).float(), batch.text_targets)
    drawn = F.cross_entropy(model.model.generation_head(y[batch.drawn_at]).float(), batch.codes_out)
    return text, drawn


def batch_of(writer: Writer, stage: Stage, r: random.Random, codes: np.ndarray, seed: int) -> Batch:
    understanding, text, drawing = map(workers.share_of, stage.mix)
    drawn = []
    for _ in range(drawing):
        index = r.randrange(len(codes))
        words = language.caption(cache.scene_of(seed, index), r)
        drawn.append(writer.drawing(words, codes[index], dropped=r.random() < PROMPTS_DROPPED))
    return pack(
        writer,
        {
            "understanding": [writer.understanding_sample(r) for _ in range(understanding)],
            "text": [writer.text_sample(r) for _ in range(text)],
            "drawing": drawn,
        },
    )


def train(
    model: JanusForConditionalGeneration, tokenizer: Tokenizer, stage: Stage, codes: np.ndarray, folder: Path, seed: int,
    stop_at: float = math.inf, log_every: int = 50, save_every: int = 200,
) -> bool:  # fmt: skip
    """True when the stage is complete. The model is as the stage left it either way."""
    writer = Writer(tokenizer)
    optimiser = optimisers.Optimisers(model.model.language_model, trainable(model, stage.name))
    curve, path, first = progress.Curve(folder / "curves", f"stage{stage.name}"), folder / f"stage{stage.name}.pt", 0
    if state := progress.load(path):
        model.load_state_dict(state["model"]), optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
        print(f"stage {stage.name}: at step {first} of {stage.steps}", flush=True)
    model.train()
    model.model.vqmodel.eval()
    running: dict[str, float] = {}
    for step in range(first, stage.steps):
        r = random.Random(f"stage {stage.name} {seed} {step} {workers.RANK}")
        batch = batch_of(writer, stage, r, codes, seed)
        falling = stage.steps * stage.falling_from
        rate = stage.rate * min(1, (step + 1) / max(stage.warm_up, 1))
        if step > falling:
            rate *= (stage.steps - step) / (stage.steps - falling)
        with device.half():
            text, drawn = losses(model, batch)
        done = optimiser.learn(text + drawn, rate, time.monotonic() > stop_at)
        for key, value in {"text": text, "drawn": drawn}.items():
            running[key] = 0.95 * running.get(key, value.item()) + 0.05 * value.item()
        if workers.RANK == 0 and (step + 1) % log_every == 0:
            curve.log(step + 1, rate=rate, **running)
        if workers.RANK == 0 and ((step + 1) % save_every == 0 or step + 1 == stage.steps or done):
            progress.save(path, {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1})
        if done:
            return step + 1 == stage.steps
    workers.wait()
    return True
