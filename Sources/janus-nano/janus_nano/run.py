"""Drawing and answering with transformers' modules, many at once: for scores, contact sheets and the choice of guidance."""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import DynamicCache, JanusForConditionalGeneration

from . import device
from .nano import IMAGE_TOKENS
from .sequences import Writer

ANSWER_TOKENS_MAX = 64


def _left_padded(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """ids [B,L], attention mask [B,L] and positions [B,L]: rotary attention sees distances only, so padding left is exact."""
    longest = max(map(len, rows))
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask, (mask.cumsum(1) - 1).clamp(min=0)


@torch.no_grad()
def draw_codes(
    model: JanusForConditionalGeneration, tokenizer: Tokenizer, prompts: list[str], guidance: float, seed: int, temperature: float = 1.0, batch: int = 128
) -> torch.Tensor:
    """Codes [B,64], drawn from the whole codebook."""
    writer, core, out = Writer(tokenizer), model.model, []
    generator = torch.Generator(device.NAME).manual_seed(seed)
    for first in range(0, len(prompts), batch):
        conditional = [writer.drawing_prompt(prompt) for prompt in prompts[first : first + batch]]
        ids, mask, positions = _left_padded(conditional + [writer.unconditional(row) for row in conditional], writer.pad)
        cache, x, codes = DynamicCache(config=core.language_model.config), core.language_model.embed_tokens(ids), []
        for _ in range(IMAGE_TOKENS):
            y = core.language_model(inputs_embeds=x, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
            with_prompt, without = core.generation_head(y.last_hidden_state[:, -1]).float().chunk(2)
            logits = without + guidance * (with_prompt - without)
            if temperature > 0:
                drawn = torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=generator)[:, 0]
            else:
                drawn = logits.argmax(-1)
            codes.append(drawn)
            x = core.generation_aligner(core.generation_embeddings(drawn.repeat(2)[:, None]))
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
            positions = positions[:, -1:] + 1
        out.append(torch.stack(codes, 1))
    return torch.cat(out)


@torch.no_grad()
def pixels(model: JanusForConditionalGeneration, codes: torch.Tensor, batch: int = 64) -> np.ndarray:
    """uint8 [B,64,64,3], truncated as the official implementation does."""
    parts = [model.model.vqmodel.decode(codes[i : i + batch]) for i in range(0, len(codes), batch)]
    return device.pixels_out(torch.cat(parts))


@torch.no_grad()
def answer(
    model: JanusForConditionalGeneration, tokenizer: Tokenizer, questions: list[str], pictures: list[np.ndarray] | None, batch: int = 128
) -> list[str]:
    """Greedy answers; every question with a picture, or none."""
    writer, core, out = Writer(tokenizer), model.model, []
    for first in range(0, len(questions), batch):
        asked = questions[first : first + batch]
        ids, mask, positions = _left_padded([writer.question_prompt(q, pictures is not None) for q in asked], writer.pad)
        x = core.language_model.embed_tokens(ids)
        if pictures is not None:
            seen = device.pixels_in(pictures[first : first + batch])
            features = core.aligner(core.vision_model(seen).last_hidden_state)
            x = x.masked_scatter((ids == writer.image)[..., None], features)
        cache, answers, ended = DynamicCache(config=core.language_model.config), [], torch.zeros(len(asked), dtype=torch.bool)
        for _ in range(ANSWER_TOKENS_MAX):
            y = core.language_model(inputs_embeds=x, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
            token = model.lm_head(y.last_hidden_state[:, -1]).argmax(-1)
            answers.append(torch.where(ended, writer.eos, token))
            ended |= token == writer.eos
            if ended.all():
                break
            x = core.language_model.embed_tokens(token)[:, None]
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
            positions = positions[:, -1:] + 1
        for row in torch.stack(answers, 1).tolist():
            out.append(tokenizer.decode(row[: row.index(writer.eos)] if writer.eos in row else row).strip())
    return out


class Transformers:
    """The model in this process, asked as the daemon is."""

    def __init__(self, model: JanusForConditionalGeneration, tokenizer: Tokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer

    def draw(self, prompts: list[str], images: int, guidance: float, seed: int) -> np.ndarray:
        """uint8 [prompts · images,64,64,3], the images of one prompt side by side."""
        repeated = [prompt for prompt in prompts for _ in range(images)]
        return pixels(self.model, draw_codes(self.model, self.tokenizer, repeated, guidance, seed))

    def answer(self, questions: list[str], pictures: list[np.ndarray] | None) -> list[str]:
        return answer(self.model, self.tokenizer, questions, pictures)
