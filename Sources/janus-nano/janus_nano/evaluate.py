"""The tables, by transformers; the gate of the picture tokenizer; the choice of guidance; contact sheets."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import JanusForConditionalGeneration

from . import codes, detector, device, run, score, vq
from .language import QUESTION_KINDS
from .world import KIND_WEIGHTS, sample_scene

GATE = 0.99


@torch.no_grad()
def reconstruction(model: vq.JanusVQVAE, count: int, seed: int) -> dict[str, float]:
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


def drawing(
    model: JanusForConditionalGeneration, tokenizer: Tokenizer, guidance: float, prompts: int, images: int, seed: int, held_out: bool = True
) -> dict[str, float]:
    scores = {}
    for column in (*score.DRAWING_COLUMNS, *score.EXTRA_COLUMNS):
        tasks = [task for task in score.drawing_tasks(column, prompts, seed, held_out) for _ in range(images)]
        pictures = run.pixels(model, run.draw_codes(model, tokenizer, [task.prompt for task in tasks], guidance, seed))
        scores[column] = sum(score.judge(t, p) for t, p in zip(tasks, pictures, strict=True)) / len(tasks)
    return scores


def answering(model: JanusForConditionalGeneration, tokenizer: Tokenizer, count: int, seed: int, held_out: bool = True) -> dict[str, float]:
    scores = {}
    for kind in (*QUESTION_KINDS, "text", "chinese"):
        if kind == "chinese":
            tasks = [t for k in QUESTION_KINDS for t in score.question_tasks(k, max(count // 8, 1), seed, held_out, chinese=True)]
        else:
            tasks = score.question_tasks(kind, count, seed, held_out)
        pictures = None if kind == "text" else [task.picture() for task in tasks]
        answers = run.answer(model, tokenizer, [task.question for task in tasks], pictures)
        scores[kind] = sum(score.is_right(t, a) for t, a in zip(tasks, answers, strict=True)) / len(tasks)
    return scores


def best_guidance(model: JanusForConditionalGeneration, tokenizer: Tokenizer, weights: tuple[float, ...], prompts: int, seed: int) -> dict[float, float]:
    """Mean of the columns on validation prompts (trained combinations, another seed) for each weight."""
    means = {}
    for weight in weights:
        scores = drawing(model, tokenizer, weight, prompts, 1, seed, held_out=False)
        means[weight] = sum(scores[c] for c in score.DRAWING_COLUMNS) / len(score.DRAWING_COLUMNS)
        print(f"guidance {weight}: {means[weight]:.3f}", flush=True)
    return means


def sheet(pictures: np.ndarray, columns: int, path: Path, zoom: int = 2) -> None:
    rows = [np.concatenate(list(pictures[i : i + columns]), 1) for i in range(0, len(pictures) - len(pictures) % columns, columns)]
    image = Image.fromarray(np.concatenate(rows, 0))
    image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST).save(path)
