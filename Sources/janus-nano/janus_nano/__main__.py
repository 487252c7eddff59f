"""python -m janus_nano train | score | guidance | sheet | export | original | expected | curves"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import JanusForConditionalGeneration

from . import codes, device, evaluate, expected, export, gate, nano, pretrain, progress, run, score, stages, vq, workers
from . import tokenizer as words

DRAWN_PICTURES = 24_000
SMOKE = 0.004  # share of every step count: a run of a minute that exercises everything and learns nothing


def _tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    return Tokenizer.from_file(str(path)) if path.exists() else words.train(path)


def _assembled(folder: Path, size: str, seed: int) -> tuple[JanusForConditionalGeneration, Tokenizer]:
    """The model as the furthest finished step on disk left it."""
    tokenizer = _tokenizer(folder)
    model = nano.build(nano.SIZES[size], tokenizer, seed)
    picture_tokenizer = progress.load(folder / "vq.pt")
    if picture_tokenizer:
        nano.adopt_vq(model, picture_tokenizer["model"])
    if state := progress.load(folder / "stage0-vision.pt"):
        model.model.vision_model.load_state_dict(state["encoder"])
    if state := progress.load(folder / "stage0-language.pt"):
        model.model.language_model.load_state_dict(state["llama"])
        model.lm_head.load_state_dict(state["head"])
    for name in reversed(stages.STAGES):
        if state := progress.load(folder / f"stage{name}.pt"):
            model.load_state_dict(state["model"])
            break
    if picture_tokenizer:  # its decoder may have gone on learning beside the stages
        model.model.vqmodel.load_state_dict(picture_tokenizer["model"])
    return model.eval(), tokenizer


def train(arguments: argparse.Namespace) -> None:
    """Every part in order, each going on where it stopped; `--minutes` ends the run early but leaves all it learnt."""
    folder, seed, only = arguments.folder, arguments.seed, arguments.part
    stop_at = time.monotonic() + 60 * arguments.minutes if arguments.minutes else math.inf
    share = SMOKE if arguments.smoke else 1.0
    steps = lambda count: max(2, round(count * share))  # noqa: E731
    sizes = nano.SIZES[arguments.size]
    wanted = lambda part: only in ("all", part) and time.monotonic() < stop_at  # noqa: E731
    workers.start()
    if wanted("vq") and workers.RANK == 0:
        vq.train(vq.Plan(seed=seed).scaled(share), folder, sizes.hidden, stop_at)
    plan = pretrain.Plan(seed=seed)
    plan = replace(plan, language_steps=steps(plan.language_steps), vision_steps=steps(plan.vision_steps))
    if wanted("0"):
        model, tokenizer = _assembled(folder, arguments.size, seed)
        pretrain.vision(model, plan, folder, stop_at)
        pretrain.language(model, tokenizer, plan, folder, stop_at)
    workers.wait()
    for name, stage in stages.STAGES.items():
        if only in ("all", name):
            if workers.any_of(time.monotonic() >= stop_at):
                break
            model, tokenizer = _assembled(folder, arguments.size, seed)
            drawn = codes.cached(model.model.vqmodel, max(64, steps(DRAWN_PICTURES)), seed, folder)
            if not stages.train(model, tokenizer, replace(stage, steps=steps(stage.steps)), drawn, folder, seed, stop_at):
                break
    if workers.RANK > 0:
        return
    model, _ = _assembled(folder, arguments.size, seed)
    export.checkpoint(model, folder / "tokenizer.json", arguments.guidance, folder / "checkpoint")
    progress.plot(folder / "curves", folder / "curves.png")
    print(f"checkpoint in {folder / 'checkpoint'}")


def _guidance(checkpoint: Path) -> float:
    return json.loads((checkpoint / "generation_config.json").read_text())["guidance_scale"]


def score_command(arguments: argparse.Namespace) -> None:
    """The tables of transformers, and what the picture tokenizer keeps. `python -m janus_nano.daemon` prints janusd's."""
    model, tokenizer = export.load(arguments.checkpoint)
    guidance = arguments.guidance or _guidance(arguments.checkpoint)
    print(evaluate.tables(run.Transformers(model, tokenizer), "transformers", guidance, arguments.prompts, arguments.images, arguments.questions, arguments.seed))
    reconstruction = gate.reconstruction(model.model.vqmodel, arguments.questions, arguments.seed)
    print(score.table(reconstruction, tuple(reconstruction)))


def sheet(arguments: argparse.Namespace) -> None:
    evaluate.contact_sheet(run.Transformers(*export.load(arguments.checkpoint)), _guidance(arguments.checkpoint), arguments.seed, arguments.out)


def main() -> None:
    parser = argparse.ArgumentParser(prog="janus_nano", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    commands = parser.add_subparsers(required=True)

    def command(name: str, act, **options: dict) -> argparse.ArgumentParser:
        sub = commands.add_parser(name)
        sub.set_defaults(act=act)
        sub.add_argument("--seed", type=int, default=1)
        for flag, settings in options.items():
            sub.add_argument("--" + flag, **settings)
        return sub

    folder = {"type": Path, "required": True}
    command(
        "train", train, folder=folder, size={"choices": nano.SIZES, "default": "small"}, minutes={"type": float}, smoke={"action": "store_true"},
        part={"choices": ("all", "vq", "0", *stages.STAGES), "default": "all"}, guidance={"type": float, "default": 3},
    )  # fmt: skip
    command(
        "score", score_command, checkpoint=folder, guidance={"type": float}, prompts={"type": int, "default": 50}, images={"type": int, "default": 4},
        questions={"type": int, "default": 100},
    )  # fmt: skip
    command(
        "guidance", lambda a: print(evaluate.best_guidance(run.Transformers(*export.load(a.checkpoint)), tuple(a.weights), a.prompts, a.seed)), checkpoint=folder,
        weights={"type": float, "nargs": "+", "default": [1, 1.25, 1.5, 2, 3, 4, 5]}, prompts={"type": int, "default": 40},
    )  # fmt: skip
    command("sheet", sheet, checkpoint=folder, out=folder)
    command(
        "export", lambda a: export.checkpoint(_assembled(a.folder, a.size, a.seed)[0], a.folder / "tokenizer.json", a.guidance, a.out), folder=folder, out=folder,
        size={"choices": nano.SIZES, "default": "small"}, guidance={"type": float, "default": 3},
    )  # fmt: skip
    command("original", lambda a: export.original(a.checkpoint, a.out), checkpoint=folder, out=folder)
    command(
        "expected", lambda a: print("narrowest lead of a greedy choice:", expected.write(a.checkpoint, a.guidance)), checkpoint=folder,
        guidance={"type": float, "default": 5},
    )  # fmt: skip
    command("curves", lambda a: progress.plot(a.folder / "curves", a.out), folder=folder, out=folder)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device.start()
    arguments.act(arguments)


main()
