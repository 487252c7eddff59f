"""Both official layouts of a trained model, with tokenizer, processor and generation configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import JanusConfig, JanusForConditionalGeneration

from . import device
from . import tokenizer as words
from .nano import IMAGE_TOKENS
from .world import SIDE_PIXELS

#: Fields of transformers' configuration objects that a published config.json carries, per part.
_TEXT = (
    "attention_bias attention_dropout bos_token_id eos_token_id head_dim hidden_act hidden_size initializer_range intermediate_size "
    "max_position_embeddings mlp_bias model_type num_attention_heads num_hidden_layers num_key_value_heads pad_token_id pretraining_tp "
    "rms_norm_eps rope_parameters tie_word_embeddings use_cache vocab_size"
).split()
_VISION = (
    "attention_bias attention_dropout depth hidden_act hidden_dropout_rate hidden_size image_size initializer_range layer_norm_eps mlp_ratio "
    "model_type num_attention_heads num_channels num_hidden_layers num_image_tokens patch_size projection_dim projection_dropout use_qk_norm"
).split()
_VQ = (
    "base_channels channel_multiplier double_latent dropout embed_dim hidden_act image_token_embed_dim in_channels initializer_range "
    "latent_channels model_type num_embeddings num_hidden_layers num_patches num_res_blocks out_channels projection_dim"
).split()

_PROCESSOR = {
    "image_processor_type": "JanusImageProcessor", "size": {"height": SIDE_PIXELS, "width": SIDE_PIXELS}, "min_size": 14, "do_resize": True,
    "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 3,
}  # fmt: skip


def transformers_config(config: JanusConfig) -> dict:
    full = config.to_dict()
    part = lambda name, keys: {key: full[name][key] for key in keys}  # noqa: E731
    return {
        "architectures": ["JanusForConditionalGeneration"],
        "image_token_id": config.image_token_id,
        "model_type": "janus",
        "text_config": part("text_config", _TEXT),
        "tie_word_embeddings": False,
        "transformers_version": full["transformers_version"],
        "vision_config": part("vision_config", _VISION),
        "vq_config": part("vq_config", _VQ),
    }


def original_config(config: JanusConfig) -> dict:
    """The published fields only: sizes of the encoders stand in their tensors."""
    text, seen, drawn = config.text_config, config.vision_config, config.vq_config
    projector = lambda name, width: {  # noqa: E731
        "cls": "MlpProjector", "model_type": name,
        "params": {"depth": 2, "input_dim": width, "n_embed": text.hidden_size, "projector_type": "mlp_gelu"},
    }  # fmt: skip
    return {
        "architectures": ["MultiModalityCausalLM"], "model_type": "multi_modality", "torch_dtype": "bfloat16", "transformers_version": "4.33.1",
        "aligner_config": projector("aligner", seen.hidden_size),
        "gen_aligner_config": projector("gen_aligner", drawn.embed_dim),
        "gen_head_config": {
            "cls": "vision_head", "model_type": "gen_head",
            "params": {"image_token_embed": text.hidden_size, "image_token_size": drawn.num_embeddings, "n_embed": text.hidden_size},
        },
        "gen_vision_config": {
            "cls": "VQ-16", "model_type": "gen_vision", "params": {"image_token_size": drawn.num_embeddings, "n_embed": drawn.embed_dim},
        },
        "language_config": {
            "hidden_size": text.hidden_size, "intermediate_size": text.intermediate_size, "max_position_embeddings": text.max_position_embeddings,
            "model_type": "llama", "num_attention_heads": text.num_attention_heads, "num_hidden_layers": text.num_hidden_layers,
            "num_key_value_heads": text.num_key_value_heads, "torch_dtype": "bfloat16", "vocab_size": text.vocab_size,
        },
        "vision_config": {
            "cls": "CLIPVisionTower", "model_type": "vision",
            "params": {"image_size": seen.image_size, "model_name": "siglip_large_patch16_384", "select_feature": "same", "select_layer": -1},
        },
    }  # fmt: skip


_RENAMED = (
    (r"^model\.vision_model\.embeddings\.patch_embedding\.", "vision_model.vision_tower.patch_embed.proj."),
    (r"^model\.vision_model\.embeddings\.position_embedding\.weight$", "vision_model.vision_tower.pos_embed"),
    (r"^model\.vision_model\.encoder\.layers\.(\d+)\.layer_norm([12])\.", r"vision_model.vision_tower.blocks.\1.norm\2."),
    (r"^model\.vision_model\.encoder\.layers\.(\d+)\.self_attn\.projection_layer\.", r"vision_model.vision_tower.blocks.\1.attn.proj."),
    (r"^model\.vision_model\.encoder\.layers\.(\d+)\.", r"vision_model.vision_tower.blocks.\1."),
    (r"^model\.vision_model\.post_layernorm\.", "vision_model.vision_tower.norm."),
    (r"^model\.vqmodel\.decoder\.up\.(\d+)\.block\.", r"gen_vision_model.decoder.conv_blocks.\1.res."),
    (r"^model\.vqmodel\.decoder\.up\.", "gen_vision_model.decoder.conv_blocks."),
    (r"^model\.vqmodel\.encoder\.down\.(\d+)\.block\.", r"gen_vision_model.encoder.conv_blocks.\1.res."),
    (r"^model\.vqmodel\.encoder\.down\.", "gen_vision_model.encoder.conv_blocks."),
    (r"^model\.vqmodel\.(encoder|decoder)\.mid\.block_1\.", r"gen_vision_model.\1.mid.0."),
    (r"^model\.vqmodel\.(encoder|decoder)\.mid\.attn_1\.", r"gen_vision_model.\1.mid.1."),
    (r"^model\.vqmodel\.(encoder|decoder)\.mid\.block_2\.", r"gen_vision_model.\1.mid.2."),
    (r"^model\.vqmodel\.", "gen_vision_model."),
    (r"^model\.aligner\.fc1\.", "aligner.layers.0."),
    (r"^model\.aligner\.hidden_layers\.0\.", "aligner.layers.2."),
    (r"^model\.generation_aligner\.fc1\.", "gen_aligner.layers.0."),
    (r"^model\.generation_aligner\.hidden_layers\.0\.", "gen_aligner.layers.2."),
    (r"^model\.generation_embeddings\.", "gen_embed."),
    (r"^model\.generation_head\.proj_out\.", "gen_head.output_mlp_projector."),
    (r"^model\.generation_head\.vision_head\.", "gen_head.vision_head."),
    (r"^model\.language_model\.", "language_model.model."),
    (r"^lm_head\.", "language_model.lm_head."),
)
_THIRD = re.compile(r"^model\.vision_model\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(weight|bias)$")


def original_tensors(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """transformers' names to the original ones: q, k, v of the vision tower joined, a batch axis before its positions."""
    out: dict[str, torch.Tensor] = {}
    thirds: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if third := _THIRD.match(name):
            thirds.setdefault(f"vision_model.vision_tower.blocks.{third[1]}.attn.qkv.{third[3]}", {})[third[2]] = tensor
            continue
        for pattern, replacement in _RENAMED:
            renamed, count = re.subn(pattern, replacement, name)
            if count:
                out[renamed] = tensor[None] if renamed.endswith("pos_embed") else tensor
                break
        else:
            raise ValueError(f"no original name for {name}")
    for name, parts in thirds.items():
        out[name] = torch.cat([parts["q"], parts["k"], parts["v"]])
    return out


def _unused_tensors(width: int, mlp: int) -> dict[str, torch.Tensor]:
    """What published files carry and no one reads: the tower's pooling head and the codebook's statistics."""
    zeros = lambda *shape: torch.zeros(shape, dtype=torch.bfloat16, device="cpu")  # noqa: E731
    shapes = {
        "latent": (1, 1, width), "q.weight": (width, width), "q.bias": (width,), "kv.weight": (2 * width, width), "kv.bias": (2 * width,),
        "proj.weight": (width, width), "proj.bias": (width,), "norm.weight": (width,), "norm.bias": (width,),
        "mlp.fc1.weight": (mlp, width), "mlp.fc1.bias": (mlp,), "mlp.fc2.weight": (width, mlp), "mlp.fc2.bias": (width,),
    }  # fmt: skip
    pool = {f"vision_model.vision_tower.attn_pool.{name}": zeros(*shape) for name, shape in shapes.items()}
    return pool | {"gen_vision_model.quantize.codebook_used": torch.zeros(65536, device="cpu")}


def _write(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def checkpoint(model: JanusForConditionalGeneration, tokenizer_file: Path, guidance: float, folder: Path) -> None:
    """The layout of transformers: the one that is shipped."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: t.detach().to("cpu", torch.bfloat16).contiguous() for name, t in model.state_dict().items()}, folder / "model.safetensors", {"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # the library writes it for its owner alone
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    id_of = tokenizer.token_to_id
    _write(folder / "config.json", transformers_config(model.config))
    _write(
        folder / "generation_config.json",
        {
            "bos_token_id": id_of(words.BOS), "eos_token_id": id_of(words.EOS), "pad_token_id": id_of(words.PAD),
            "guidance_scale": int(guidance) if guidance == int(guidance) else guidance,
            "generation_kwargs": {"boi_token_id": id_of(words.IMAGE_BEGIN)},
        },
    )  # fmt: skip
    _write(folder / "preprocessor_config.json", _PROCESSOR)
    (folder / "tokenizer.json").write_text(tokenizer_file.read_text())


def load(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[JanusForConditionalGeneration, Tokenizer]:
    model = JanusForConditionalGeneration.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa")
    return model.to(device.NAME).eval(), Tokenizer.from_file(str(folder / "tokenizer.json"))


def original(source: Path, folder: Path) -> None:
    """The original layout, from a checkpoint in the other."""
    folder.mkdir(parents=True, exist_ok=True)
    model, _ = load(source, torch.bfloat16)
    seen = model.config.vision_config
    tensors = original_tensors({name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()})
    torch.save(tensors | _unused_tensors(seen.hidden_size, int(seen.hidden_size * seen.mlp_ratio)), folder / "pytorch_model.bin")
    _write(folder / "config.json", original_config(model.config))
    _write(
        folder / "preprocessor_config.json",
        {
            "background_color": [127] * 3, "do_normalize": True, "image_mean": [0.5] * 3, "image_processor_type": "VLMImageProcessor",
            "image_size": SIDE_PIXELS, "image_std": [0.5] * 3, "min_size": 14, "rescale_factor": 1 / 255,
        },
    )  # fmt: skip
    _write(
        folder / "processor_config.json",
        {
            "add_special_token": False, "ignore_id": -100, "image_tag": words.IMAGE, "mask_prompt": True, "num_image_tokens": IMAGE_TOKENS,
            "processor_class": "VLChatProcessor", "sft_format": "deepseek",
        },
    )  # fmt: skip
    (folder / "tokenizer.json").write_text((source / "tokenizer.json").read_text())
