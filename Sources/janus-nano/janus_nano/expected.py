"""What a checkpoint computes, for `janus-model verify`: the same keys as the reference checkpoints' expected values.

Computed by transformers in f32 from the stored bf16 weights. Its picture is already square and of the right size, so
that no difference in resizing enters. Greedy answers go on for 24 tokens, past their end, as the reference's do; to keep
the file small, logits are written for the first steps only.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from . import device, export, vq
from . import tokenizer as words
from .nano import IMAGE_TOKENS
from .render import render
from .sequences import Writer
from .world import sample_scene

GREEDY_TOKENS = 24
LAST_LOGITS = 2  # of a prompt
STEP_LOGITS = 8  # of an answer
CODE_LOGITS = 8  # of a drawing
CONVERSATIONS = (("understand0", 1, "Describe this picture."), ("understand1", 1, "图片里有什么？"), ("chat", 0, "What is three plus four?"))
DRAWINGS = (("generate0", "a red circle to the left of a blue square on a white background"),)


def _prompt(pictures: int, question: str) -> str:
    return f"{words.SYSTEM}\n\n{words.USER}: {(words.IMAGE + chr(10)) * pictures}{question}\n\n{words.ASSISTANT}:"


def _ids(writer: Writer, prompt: str) -> list[int]:
    """BOS, and every placeholder widened to begin, 64 × placeholder, end."""
    out = [writer.bos]
    for i, part in enumerate(prompt.split(words.IMAGE)):
        out += ([writer.begin, *[writer.image] * IMAGE_TOKENS, writer.end] if i else []) + writer.encode(part)
    return out


@torch.no_grad()
def write(folder: Path, guidance: float, seed: int = 5) -> float:
    """Writes `expected.safetensors` and `imageK.png` beside the checkpoint; returns the narrowest lead of a greedy choice."""
    torch.set_default_device("cpu")
    if device.NAME != "cpu":
        raise SystemExit("expected values are computed in f32 on the CPU: set JANUS_NANO_DEVICE=cpu")
    model, tokenizer = export.load(folder)
    core, writer, out, narrowest = model.model, Writer(tokenizer), {}, []
    r = random.Random(seed)
    shown = [render(sample_scene(r, kind))[0] for kind in ("pair",)]
    for k, picture in enumerate(shown):
        Image.fromarray(picture).save(folder / f"image{k}.png")
        out[f"image{k}.input"] = out[f"image{k}.resized"] = torch.from_numpy(picture.copy())
    seen = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).float() / 127.5 - 1
    features = core.vision_model(seen).last_hidden_state
    aligned = core.aligner(features)
    out |= {"vision.features": features, "aligner.output": aligned, "vq.encode_tokens": vq.encode(core.vqmodel, seen).int()}

    def lead(logits: torch.Tensor) -> None:
        best = logits.topk(2).values
        narrowest.append(float(best[0] - best[1]))

    metadata: dict[str, object] = {
        "bos": writer.bos, "eos": writer.eos, "pad": writer.pad, "boi": writer.begin, "image": writer.image, "eoi": writer.end, "image_tokens": IMAGE_TOKENS,
    }  # fmt: skip
    for name, pictures, question in CONVERSATIONS:
        prompt = _prompt(pictures, question)
        ids = _ids(writer, prompt)
        x = core.language_model.embed_tokens(torch.tensor([ids]))
        if pictures:
            x[0, torch.tensor(ids) == writer.image] = aligned[:pictures].flatten(0, 1)
        steps, greedy = [], []
        for step in range(GREEDY_TOKENS):
            logits = model.lm_head(core.language_model(inputs_embeds=x, use_cache=False).last_hidden_state)[0]
            if step == 0:
                out[f"{name}.prompt_logits"] = logits[-LAST_LOGITS:]
            lead(logits[-1])
            steps.append(logits[-1])
            greedy.append(int(logits[-1].argmax()))
            x = torch.cat([x, core.language_model.embed_tokens(torch.tensor([[greedy[-1]]]))], 1)
        out |= {f"{name}.prompt_ids": torch.tensor(ids).int(), f"{name}.greedy_ids": torch.tensor(greedy).int(), f"{name}.step_logits": torch.stack(steps[:STEP_LOGITS])}
        metadata |= {f"{name}.prompt": prompt, f"{name}.text": tokenizer.decode(greedy)}

    for name, asked in DRAWINGS:
        ids = writer.drawing_prompt(asked)
        x = core.language_model.embed_tokens(torch.tensor([ids, writer.unconditional(ids)]))
        conditional, unconditional, codes = [], [], []
        for _ in range(IMAGE_TOKENS):
            c, u = core.generation_head(core.language_model(inputs_embeds=x, use_cache=False).last_hidden_state[:, -1])
            conditional.append(c)
            unconditional.append(u)
            logits = u + guidance * (c - u)
            lead(logits)
            codes.append(int(logits.argmax()))
            x = torch.cat([x, core.generation_aligner(core.generation_embeddings(torch.tensor([[codes[-1]], [codes[-1]]])))], 1)
        drawn = torch.tensor([codes])
        out |= {
            f"{name}.prompt_ids": torch.tensor(ids).int(), f"{name}.cond_logits": torch.stack(conditional[:CODE_LOGITS]), f"{name}.uncond_logits": torch.stack(unconditional[:CODE_LOGITS]),
            f"{name}.greedy_tokens": drawn[0].int(), f"{name}.pixels": core.vqmodel.decode(drawn)[0], f"{name}.image": torch.from_numpy(device.pixels_out(core.vqmodel.decode(drawn))[0]),
        }  # fmt: skip
        metadata |= {f"{name}.prompt": f"{words.USER}: {asked}\n\n{words.ASSISTANT}:{words.IMAGE_BEGIN}", f"{name}.cfg_weight": float(guidance)}
    for key, value in out.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise SystemExit(f"{key}: a value is not finite; nothing was written")
    text = {key: json.dumps(value, ensure_ascii=False) for key, value in metadata.items()}
    save_file({key: value.detach().contiguous().clone() for key, value in out.items()}, folder / "expected.safetensors", text)
    (folder / "expected.safetensors").chmod(0o644)  # the library writes it for its owner alone
    return min(narrowest)
