"""The model: transformers' own Janus classes in small sizes, and one forward pass for packed sequences."""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import JanusConfig, JanusForConditionalGeneration, JanusVisionConfig, LlamaConfig

from . import device, vq
from . import tokenizer as words
from .world import SIDE_PIXELS

PATCH_PIXELS = 8
IMAGE_TOKENS = (SIDE_PIXELS // PATCH_PIXELS) ** 2  # the same for both encoders: 64


@dataclasses.dataclass(frozen=True)
class Sizes:
    hidden: int
    ffn: int
    layers: int
    heads: int
    vision_width: int
    vision_layers: int


SIZES = {
    "small": Sizes(hidden=128, ffn=320, layers=5, heads=4, vision_width=128, vision_layers=2),  # 3.2 M parameters: 6.5 MB in bf16
    "large": Sizes(hidden=192, ffn=512, layers=5, heads=3, vision_width=128, vision_layers=3),  # 4.9 M parameters: 9.8 MB in bf16
}


def configuration(sizes: Sizes, tokenizer: Tokenizer) -> JanusConfig:
    id_of = tokenizer.token_to_id
    text = LlamaConfig(
        hidden_size=sizes.hidden, intermediate_size=sizes.ffn, num_hidden_layers=sizes.layers, num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.heads, vocab_size=words.VOCABULARY, max_position_embeddings=16384, rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, tie_word_embeddings=False, attention_bias=False,
        bos_token_id=id_of(words.BOS), eos_token_id=id_of(words.EOS), pad_token_id=id_of(words.PAD),
    )  # fmt: skip
    vision = JanusVisionConfig(
        hidden_size=sizes.vision_width, num_hidden_layers=sizes.vision_layers, num_attention_heads=sizes.vision_width // 64,
        image_size=SIDE_PIXELS, patch_size=PATCH_PIXELS, num_image_tokens=IMAGE_TOKENS, projection_dim=sizes.hidden, mlp_ratio=4.0,
        depth=2, attention_dropout=0.0, hidden_dropout_rate=0.0, projection_dropout=0.0, use_qk_norm=False, attention_bias=True,
    )  # fmt: skip
    return JanusConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), vq_config=vq.configuration(sizes.hidden).to_dict(),
        image_token_id=id_of(words.IMAGE), tie_word_embeddings=False,
    )  # fmt: skip


def build(sizes: Sizes, tokenizer: Tokenizer, seed: int) -> JanusForConditionalGeneration:
    torch.manual_seed(seed)
    config = configuration(sizes, tokenizer)
    config._attn_implementation = "sdpa"
    model = JanusForConditionalGeneration(config)
    # residual outputs shrink with depth, as in GPT-2
    for name, parameter in model.model.language_model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            torch.nn.init.normal_(parameter, std=0.02 / (2 * sizes.layers) ** 0.5)
    return model


def adopt_vq(model: JanusForConditionalGeneration, state: dict) -> None:
    """The trained picture tokenizer; the generation embeddings begin as its codebook, so that like codes are near."""
    model.model.vqmodel.load_state_dict(state)
    with torch.no_grad():
        model.model.generation_embeddings.weight.copy_(model.model.vqmodel.quantize.embedding.weight)


@dataclasses.dataclass
class Group:
    """Sequences of one kind, side by side in the packed batch, and where each of their tokens stands in it."""

    first: int
    last: int
    index: torch.Tensor  # [B,L] into the group's own tokens; `last - first` (a row of zeros) where a sequence has ended
    back: torch.Tensor  # [last-first] into the flattened [B,L]

    @staticmethod
    def of(lengths: list[int], first: int) -> Group:
        total, longest = sum(lengths), max(lengths)
        index = torch.full((len(lengths), longest), total)
        back, at = [], 0
        for row, length in enumerate(lengths):
            index[row, :length] = torch.arange(at, at + length)
            back.append(torch.arange(length) + row * longest)
            at += length
        return Group(first, first + total, index, torch.cat(back))


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, groups: list[Group]) -> torch.Tensor:
    """Causal attention of every packed sequence to itself alone. q, k, v: [N,heads,head size].

    In f32 also where the linears are bf16: the backward pass of bf16 attention takes four times as long on a CPU."""
    out = []
    with device.half(enabled=False):
        for group in groups:
            q1, k1, v1 = (F.pad(t[group.first : group.last].float(), (0, 0, 0, 0, 0, 1))[group.index].transpose(1, 2) for t in (q, k, v))
            y = F.scaled_dot_product_attention(q1, k1, v1, is_causal=True).transpose(1, 2)
            out.append(y.reshape(-1, *q.shape[1:])[group.back])
    return torch.cat(out)


def _rotate(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    return x * cosine + torch.cat((-x[..., half:], x[..., :half]), -1) * sine


def hidden_states(language: torch.nn.Module, x: torch.Tensor, positions: torch.Tensor, groups: list[Group]) -> torch.Tensor:
    """The Llama of transformers (its modules, its numbers) over a packed batch: [N,H] to [N,H]."""
    config = language.config
    heads = config.num_attention_heads
    cosine, sine = (t[0][:, None] for t in language.rotary_emb(x[None].float(), positions[None]))
    norm = lambda module, y: F.rms_norm(y.float(), (config.hidden_size,), module.weight, config.rms_norm_eps)  # noqa: E731
    for layer in language.layers:
        attention, y = layer.self_attn, norm(layer.input_layernorm, x)
        q, k, v = (p(y).view(len(x), heads, -1) for p in (attention.q_proj, attention.k_proj, attention.v_proj))
        y = _attend(_rotate(q, cosine, sine), _rotate(k, cosine, sine), v, groups)
        x = x + attention.o_proj(y.reshape(len(x), -1))
        y = norm(layer.post_attention_layernorm, x)
        x = x + layer.mlp.down_proj(F.silu(layer.mlp.gate_proj(y)) * layer.mlp.up_proj(y))
    return norm(language.norm, x)


