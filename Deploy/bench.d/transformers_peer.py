"""Janus-Pro's sizes with random weights in Hugging Face transformers on the CPU, in bf16: the same contexts and numbers of
rows as `janus-model bench`, best of --repeats, and of more until they took SOUGHT_SECONDS. Prints JSON {key: {"seconds": …}}; what a key is, EngineBench.swift says."""

import argparse, json, sys, time

import torch
from transformers import DynamicCache, JanusConfig, JanusForConditionalGeneration, LlamaConfig
from transformers.models.janus.configuration_janus import JanusVisionConfig, JanusVQVAEConfig

import shapes

SOUGHT_SECONDS = 1.5  # as janus-model bench does

options = argparse.ArgumentParser()
options.add_argument("--shape", default="1b", choices=shapes.SHAPES)
options.add_argument("--images", type=int, default=8)
options.add_argument("--text", type=int, default=16)
options.add_argument("--repeats", type=int, default=5)
options.add_argument("--threads", type=int)
options.add_argument("--save", help="only write a checkpoint of these weights into this folder")
options = options.parse_args()
if options.threads:
    torch.set_num_threads(options.threads)
torch.manual_seed(0)
torch.set_default_dtype(torch.bfloat16)
hidden, ffn, layers, heads = shapes.SHAPES[options.shape]
vocabulary = shapes.VOCABULARY[options.shape]


def say(text: str) -> None:
    print(f"transformers: {text}", file=sys.stderr, flush=True)


def build() -> JanusForConditionalGeneration:
    text = LlamaConfig(
        hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=heads, head_dim=shapes.HEAD_SIZE, vocab_size=vocabulary, max_position_embeddings=4096,
        rms_norm_eps=1e-6, rope_theta=10_000.0, bos_token_id=0, eos_token_id=1, pad_token_id=2)
    vision = JanusVisionConfig(projection_dim=hidden)
    pictures = JanusVQVAEConfig(num_patches=24, projection_dim=hidden, image_token_embed_dim=hidden)
    configuration = JanusConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), vq_config=pictures.to_dict())
    configuration._attn_implementation = "sdpa"
    return JanusForConditionalGeneration(configuration).eval()


def best(body) -> float:
    least, total, times = float("inf"), 0.0, 0
    while times < options.repeats or total < SOUGHT_SECONDS:
        start = time.perf_counter()
        body()
        seconds = time.perf_counter() - start
        least, total, times = min(least, seconds), total + seconds, times + 1
    return least


@torch.inference_mode()
def measure(model) -> dict:
    language = model.model.language_model
    found = {}

    def noise(rows: int, count: int):
        return torch.randn(rows, count, hidden)

    def extend(cache, rows: int, context: int) -> None:
        """All rows hold the same noise; pieces, because scores of one piece take memory."""
        while cache.get_seq_length() < context:
            count = min(128, context - cache.get_seq_length())
            language(inputs_embeds=noise(1, count).expand(rows, -1, -1), past_key_values=cache, use_cache=True)

    say("decoding a picture")
    tokens = torch.randint(0, 16_384, (1, shapes.STEPS))
    found["vq"] = best(lambda: model.decode_image_tokens(tokens))
    say("seeing a picture")
    pixels = torch.randn(1, 3, 384, 384)
    found["vision"] = best(lambda: model.model.get_image_features(pixels))

    def drawing(images: int, key: str) -> None:
        rows = 2 * images
        prompt = noise(rows, shapes.PROMPT_TOKENS)
        prefill = best(lambda: language(inputs_embeds=prompt, past_key_values=DynamicCache(), use_cache=True))
        cache = DynamicCache()
        steps = []
        for context in shapes.CONTEXTS:
            say(f"{images} images, step at context {context}")
            extend(cache, rows, context)

            def step() -> None:
                drawn = torch.randint(0, 16_384, (images, 1))
                embeddings = model.prepare_embeddings_for_image_generation(torch.cat([drawn, drawn]))
                out = language(
                    inputs_embeds=embeddings.reshape(rows, 1, hidden), past_key_values=cache, use_cache=True)
                logits = model.model.generation_head(out.last_hidden_state[:, -1])
                conditional, unconditional = logits[:images], logits[images:]
                guided = unconditional + shapes.GUIDANCE * (conditional - unconditional)
                torch.multinomial(torch.softmax(guided.float(), -1), 1)
                cache.crop(-1)

            steps.append(best(step))
        found[key] = shapes.image_seconds(prefill, steps, images, found["vq"])
        found[key + "_step"] = steps[2]

    drawing(1, "image")
    if options.images:
        drawing(options.images, "images")

    say("prefill")
    prompt = noise(1, shapes.PREFILL_TOKENS)

    def prefill() -> None:
        out = language(inputs_embeds=prompt, past_key_values=DynamicCache(), use_cache=True)
        model.lm_head(out.last_hidden_state[:, -1])

    found["prefill"] = best(prefill)

    def decoding(rows: int, context: int, key: str) -> None:
        say(f"{rows} texts at context {context}")
        cache = DynamicCache()
        extend(cache, rows, context)

        def step() -> None:
            out = language(
                input_ids=torch.randint(0, vocabulary, (rows, 1)), past_key_values=cache, use_cache=True)
            model.lm_head(out.last_hidden_state[:, -1]).argmax(-1)
            cache.crop(-1)

        found[key] = best(step)

    decoding(1, shapes.PICTURE_CONTEXT, "decode")
    if options.text:
        decoding(options.text, shapes.TEXT_CONTEXT, "texts")
    return found


say(f"{options.shape}, {torch.get_num_threads()} threads, torch {torch.__version__}: making weights")
if options.save:
    build().save_pretrained(options.save)
else:
    print(json.dumps({key: {"seconds": seconds} for key, seconds in measure(build()).items()}, indent=2))
