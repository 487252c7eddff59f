"""What is asked and how it is judged: GenEval's six columns for this world, and exact answers by question kind.

Nothing here runs a model: prompts and questions go out, pictures and answers come in. The same tasks and judgements
serve transformers and the daemon.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from . import detector, language
from .render import render
from .world import INK, SHAPES, Scene, place, sample_scene

DRAWING_COLUMNS = ("single object", "two objects", "counting", "colors", "position", "attribution")
EXTRA_COLUMNS = ("text",)  # not a column of GenEval: reported, not averaged


@dataclass(frozen=True)
class DrawingTask:
    column: str
    prompt: str
    wanted: tuple[tuple[str | None, str], ...]  # (colour or None for any, shape or letter) of every thing
    relation: str | None = None  # where the first thing stands, seen from the second
    place: str | None = None  # where the only thing stands in the picture


@dataclass(frozen=True)
class QuestionTask:
    kind: str
    question: str
    answer: str
    scene: Scene | None  # None: no picture

    def picture(self) -> np.ndarray | None:
        return None if self.scene is None else render(self.scene)[0]


def drawing_tasks(column: str, count: int, seed: int, held_out: bool = True) -> list[DrawingTask]:
    """Prompts on the held-out side of the world (or the trained one, to choose settings on).

    `single object` names no colour, so it has no held-out combination; only its pictures are new."""
    r = random.Random(f"score {column} {seed} {held_out}")
    opening = lambda: r.choice(("", "a photo of "))  # noqa: E731
    tasks = []
    for _ in range(count):
        match column:
            case "single object":
                shape = r.choice(SHAPES)
                tasks.append(DrawingTask(column, opening() + language.a(shape), ((None, shape),)))
            case "colors":
                (thing,) = sample_scene(r, "single", held_out).things
                where = place(thing.x, thing.y)
                words = f"{opening()}{language.a(language.named(thing))} {language.at(where)}"
                tasks.append(DrawingTask(column, words, ((thing.colour, thing.shape),), place=where))
            case "counting":
                scene = sample_scene(r, "count", held_out)
                things = tuple((t.colour, t.shape) for t in scene.things)
                tasks.append(DrawingTask(column, opening() + language.counted(scene.things), things))
            case "text":
                scene = sample_scene(r, "text", held_out)
                tasks.append(DrawingTask(column, f"the text {scene.text}", tuple((INK, t.shape) for t in scene.things)))
            case "two objects":
                one, other = sample_scene(r, "pair", held_out).things
                words = f"{opening()}{language.a(one.shape)} and {language.a(other.shape)}"
                tasks.append(DrawingTask(column, words, ((None, one.shape), (None, other.shape))))
            case "attribution" | "position":
                scene = sample_scene(r, "pair", held_out)
                one, other, relation = language.either_side(scene, r)
                wanted = ((one.colour, one.shape), (other.colour, other.shape))
                names = language.a(language.named(one)), language.a(language.named(other))
                if column == "attribution":
                    tasks.append(DrawingTask(column, f"{opening()}{names[0]} and {names[1]}", wanted))
                else:
                    said = language.RELATIONS[relation]
                    tasks.append(DrawingTask(column, f"{opening()}{names[0]} {said} {names[1]}", wanted, relation))
            case _:
                raise ValueError(f"no such column: {column}")
    return tasks


def judge(task: DrawingTask, picture: np.ndarray) -> bool:
    """Exactly the things that were asked for and no others, in their colours and places."""
    reading = detector.read(picture)
    if len(reading.things) != len(task.wanted):
        return False
    if task.column == "text":
        colours = all(thing.colour == INK for thing in reading.things)
        return colours and reading.text == "".join(shape for _, shape in task.wanted)
    left, chosen = list(reading.things), []
    for colour, shape in task.wanted:
        match = next((f for f in left if f.shape == shape and colour in (None, f.colour)), None)
        if match is None:
            return False
        left.remove(match)
        chosen.append(match)
    if task.place and detector.where(chosen[0]) != task.place:
        return False
    return task.relation is None or detector.relation(chosen[0], chosen[1]) == task.relation


def question_tasks(kind: str, count: int, seed: int, held_out: bool = True, chinese: bool = False) -> list[QuestionTask]:
    """Questions about pictures that training held out; kind `text` has no picture."""
    r = random.Random(f"score {kind} {seed} {held_out} {chinese}")
    tasks = []
    while len(tasks) < count:
        if kind == "text":
            question = language.text_question(r)
            tasks.append(QuestionTask(kind, question.text, question.answer, None))
            continue
        scene = sample_scene(r, held_out=held_out)
        question = language.questions_about(scene, r, chinese).get(kind)
        if question:
            tasks.append(QuestionTask(kind, question.text, question.answer, scene))
    return tasks


def is_right(task: QuestionTask, answer: str) -> bool:
    return answer.strip() == task.answer


def table(scores: dict[str, float], columns: tuple[str, ...]) -> str:
    """A markdown table: one row, the mean last."""
    mean = sum(scores[c] for c in columns) / len(columns)
    extra = [c for c in scores if c not in columns]
    heads = [*columns, "mean", *extra]
    values = [*(scores[c] for c in columns), mean, *(scores[c] for c in extra)]
    return "| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads) + "\n| " + " | ".join(f"{v:.3f}" for v in values) + " |"
