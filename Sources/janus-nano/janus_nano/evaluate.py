"""The tables, the choice of guidance, contact sheets: of whatever draws and answers. No torch is needed here."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from . import score
from .language import QUESTION_KINDS

class Performer(Protocol):
    """What is scored: transformers in this process (`run.Transformers`), or a daemon (`daemon.Daemon`)."""

    def draw(self, prompts: list[str], images: int, guidance: float, seed: int) -> np.ndarray: ...

    def answer(self, questions: list[str], pictures: list[np.ndarray] | None) -> list[str]: ...


def drawing(performer: Performer, guidance: float, prompts: int, images: int, seed: int, held_out: bool = True) -> dict[str, float]:
    """Share of right pictures by column."""
    scores = {}
    for column in (*score.DRAWING_COLUMNS, *score.EXTRA_COLUMNS):
        tasks = score.drawing_tasks(column, prompts, seed, held_out)
        pictures = performer.draw([task.prompt for task in tasks], images, guidance, seed)
        if len(pictures) != len(tasks) * images:
            raise ValueError(f"{column}: {len(pictures)} pictures of {len(tasks)} prompts with {images} each")
        scores[column] = sum(score.judge(tasks[i // images], picture) for i, picture in enumerate(pictures)) / len(pictures)
    return scores


def answering(performer: Performer, count: int, seed: int, held_out: bool = True) -> dict[str, float]:
    """Share of exactly right answers by kind of question; `text` asks without a picture, `chinese` all kinds in Chinese."""
    scores = {}
    for kind in (*QUESTION_KINDS, "text", "chinese"):
        if kind == "chinese":
            tasks = [t for k in QUESTION_KINDS for t in score.question_tasks(k, max(count // 8, 1), seed, held_out, chinese=True)]
        else:
            tasks = score.question_tasks(kind, count, seed, held_out)
        pictures = None if kind == "text" else [task.picture() for task in tasks]
        answers = performer.answer([task.question for task in tasks], pictures)
        scores[kind] = sum(score.is_right(t, a) for t, a in zip(tasks, answers, strict=True)) / len(tasks)
    return scores


def best_guidance(performer: Performer, weights: tuple[float, ...], prompts: int, seed: int) -> dict[float, float]:
    """Mean of the columns on validation prompts (trained combinations, another seed) for each weight."""
    means = {}
    for weight in weights:
        scores = drawing(performer, weight, prompts, 1, seed, held_out=False)
        means[weight] = sum(scores[c] for c in score.DRAWING_COLUMNS) / len(score.DRAWING_COLUMNS)
        print(f"guidance {weight}: {means[weight]:.3f}", flush=True)
    return means


def tables(performer: Performer, name: str, guidance: float, prompts: int, images: int, questions: int, seed: int) -> str:
    """Both tables in markdown, under a line that says how they were measured."""
    drawn = drawing(performer, guidance, prompts, images, seed)
    answered = answering(performer, questions, seed)
    return (
        f"{name}: guidance {guidance:g}, {prompts} held-out prompts × {images} pictures a column, {questions} questions a kind about held-out scenes\n\n"
        f"{score.table(drawn, score.DRAWING_COLUMNS)}\n\n{score.table(answered, QUESTION_KINDS)}\n"
    )


SHEET_COLUMNS = 8


def contact_sheet(performer: Performer, guidance: float, seed: int, path: Path) -> None:
    """A row of pictures for each column of the table, of eight prompts one each; prints the prompts and which came out wrong."""
    tasks = [t for c in (*score.DRAWING_COLUMNS, *score.EXTRA_COLUMNS) for t in score.drawing_tasks(c, SHEET_COLUMNS, seed)]
    pictures = performer.draw([t.prompt for t in tasks], 1, guidance, seed)
    for i, (task, picture) in enumerate(zip(tasks, pictures, strict=True)):
        print(i // SHEET_COLUMNS, i % SHEET_COLUMNS, "right" if score.judge(task, picture) else "wrong", task.prompt)
    rows = [np.concatenate(list(pictures[i : i + SHEET_COLUMNS]), 1) for i in range(0, len(pictures), SHEET_COLUMNS)]
    image = Image.fromarray(np.concatenate(rows, 0)).quantize(128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)  # a third of the bytes; rare colours stay
    image.save(path, optimize=True)
