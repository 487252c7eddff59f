"""Samples as token sequences, and packed batches of all three kinds of data."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import torch
from tokenizers import Tokenizer

from . import device, language
from . import tokenizer as words
from .nano import IMAGE_TOKENS, Group
from .render import render
from .world import Scene, sample_scene

IGNORED = -100
TURNS_MAX = 6


@dataclass
class Sample:
    ids: list[int]
    targets: list[int]  # of the next token at each position; IGNORED where nothing is learnt
    picture: np.ndarray | None = None  # uint8 [64,64,3], seen
    codes: np.ndarray | None = None  # [64], drawn: code i follows position `len(ids) - 1 + i`


def asking(text: str) -> str:
    """A user's turn by the template, up to where the answer begins."""
    return f"{words.USER}: {text}\n\n{words.ASSISTANT}:"


class Writer:
    """Turns scenes and questions into samples, by the published conversation template."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        ids = {name: tokenizer.token_to_id(name) for name in words.SPECIAL}
        self.bos, self.eos, self.pad = (ids[name] for name in (words.BOS, words.EOS, words.PAD))
        self.begin, self.image, self.end = (ids[name] for name in (words.IMAGE_BEGIN, words.IMAGE, words.IMAGE_END))
        self._system = [self.bos, *self.encode(f"{words.SYSTEM}\n\n{words.USER}: ")]

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def question_prompt(self, question: str, with_picture: bool) -> list[int]:
        """From BOS to `<|Assistant|>:` of a first turn."""
        if with_picture:
            picture = [self.begin, *[self.image] * IMAGE_TOKENS, self.end]
            return self._system + picture + self.encode(f"\n{question}\n\n{words.ASSISTANT}:")
        return [self.bos, *self.encode(f"{words.SYSTEM}\n\n{asking(question)}")]

    def conversation(self, questions: list[language.Question], picture: np.ndarray | None) -> Sample:
        return self._turns(self.question_prompt(questions[0].text, picture is not None), questions, picture)

    def _turns(self, prompt: list[int], questions: list[language.Question], picture: np.ndarray | None = None) -> Sample:
        """A conversation whose first turn is `prompt`; answers are learnt."""
        ids: list[int] = []
        targets: list[int] = []
        for turn, question in enumerate(questions):
            if turn > 0:
                prompt = self.encode(asking(question.text))
            answer = [*self.encode(f" {question.answer}"), self.eos]
            # position p learns token p+1: the last token of a prompt learns the answer's first
            targets += [IGNORED] * (len(prompt) - 1 + (turn > 0)) + answer
            ids += prompt + answer
        return Sample(ids[:-1], targets, picture)

    def drawing_prompt(self, text: str) -> list[int]:
        return [self.bos, *self.encode(asking(text)), self.begin]

    def unconditional(self, prompt: list[int]) -> list[int]:
        """The row that guidance is measured from: all but the first and the last token are pads."""
        return [prompt[0], *[self.pad] * (len(prompt) - 2), prompt[-1]]

    def drawing(self, text: str, codes: np.ndarray, dropped: bool) -> Sample:
        prompt = self.drawing_prompt(text)
        if dropped:
            prompt = self.unconditional(prompt)
        return Sample(prompt, [IGNORED] * len(prompt), codes=codes)

    def understanding_sample(self, r: random.Random, scene: Scene | None = None) -> Sample:
        scene = scene or sample_scene(r)
        return self.conversation(self._asked(scene, r, chinese=r.random() < language.CHINESE), render(scene)[0])

    def _asked(self, scene: Scene, r: random.Random, chinese: bool) -> list[language.Question]:
        """Some turns about a scene; two questions of a kind may ask about either of its things."""
        asked = [question for _ in range(2) for question in language.questions_about(scene, r, chinese).values()]
        r.shuffle(asked)
        return asked[: r.randint(1, TURNS_MAX)]

    def text_sample(self, r: random.Random) -> Sample:
        """Text alone, of stages II and III: a question by the template, or more of stage 0's."""
        return self.plain_sample(r) if r.random() < 0.6 else self.conversation([language.text_question(r)], None)

    def plain_sample(self, r: random.Random) -> Sample:
        """Stage 0, plain text: in-context recall; questions about a scene told in words in the place of its picture; a caption and
        the scene told. What is learnt is what the text before foretells. The system prompt is left out: half of the tokens,
        and always the same."""
        chance = r.random()
        if chance < 0.4:
            told, facts = language.recall(r)
            ids, targets = [self.bos, *self.encode(f"{told}.")], []
            for fact in facts:
                before, value = self.encode(fact.before), self.encode(fact.value)
                targets += [IGNORED] * (len(ids) + len(before) - len(targets) - 1) + value
                ids += before + value + self.encode(".")
            return Sample(ids, targets + [IGNORED] * (len(ids) - len(targets)))
        scene, chinese = sample_scene(r), r.random() < language.CHINESE
        told = language.description_zh(scene) if chinese else language.description(scene)
        if chance < 0.75:
            asked = self._asked(scene, r, chinese)
            return self._turns([self.bos, *self.encode(f"{told}\n{asking(asked[0].text)}")], asked)
        question = language.text_question(r) if chance < 0.85 else language.Question("drawing", language.caption(scene, r), told)
        return self._turns([self.bos, *self.encode(asking(question.text))], [question])


@dataclass
class Batch:
    ids: torch.Tensor  # [N]; pad where a code stands
    positions: torch.Tensor  # [N]
    groups: list[Group]
    text_at: torch.Tensor  # where text is learnt, and what
    text_targets: torch.Tensor
    seen_at: torch.Tensor  # where features of pictures stand, in the order of `pictures`
    pictures: torch.Tensor  # f32 [P,3,64,64] in −1…1
    codes_at: torch.Tensor  # where codes are read (all but each last), and which
    codes_in: torch.Tensor
    drawn_at: torch.Tensor  # where codes are learnt, and which
    codes_out: torch.Tensor
    samples: dict[str, int] = field(default_factory=dict)


def pack(writer: Writer, kinds: dict[str, list[Sample]]) -> Batch:
    ids: list[int] = []
    positions: list[int] = []
    groups, pictures = [], []
    text_at, text_targets, seen_at, codes_at, codes_in, drawn_at, codes_out = ([] for _ in range(7))
    for samples in kinds.values():
        if not samples:
            continue
        first, lengths = len(ids), []
        for sample in samples:
            start, row = len(ids), list(sample.ids)
            if sample.codes is not None:
                drawn_at += range(start + len(row) - 1, start + len(row) - 1 + IMAGE_TOKENS)
                codes_out += sample.codes.tolist()
                codes_at += range(start + len(row), start + len(row) + IMAGE_TOKENS - 1)
                codes_in += sample.codes[:-1].tolist()
                row += [writer.pad] * (IMAGE_TOKENS - 1)
            for offset, target in enumerate(sample.targets):
                if target != IGNORED:
                    text_at.append(start + offset), text_targets.append(target)
            if sample.picture is not None:
                seen_at += [start + i for i, token in enumerate(row) if token == writer.image]
                pictures.append(sample.picture)
            ids += row
            positions += range(len(row))
            lengths.append(len(row))
        groups.append(Group.of(lengths, first))
    t = torch.tensor
    return Batch(
        t(ids), t(positions), groups, t(text_at), t(text_targets), t(seen_at), device.pixels_in(pictures) if pictures else torch.zeros(0, 3, 64, 64),
        t(codes_at), t(codes_in), t(drawn_at), t(codes_out), {kind: len(samples) for kind, samples in kinds.items()},
    )  # fmt: skip
