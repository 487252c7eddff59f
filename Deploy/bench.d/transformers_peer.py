"""Janus-Pro's sizes with random weights in Hugging Face transformers on the CPU, in bf16: whole images (prompt, 576 steps with
guidance and sampling, its own VQ decoding, PNG by Pillow), whole answers and single operations, as `janus-model bench` runs them.
Steps are a loop over its modules with its dynamic cache, without the bookkeeping of `generate`.

It takes turns with others: prints a line of JSON when it is ready, then runs what is named on standard input, one part a line, once
for each name, and prints a line of JSON for each; at the end of input, what it is."""

import argparse, io, json, sys, time

import torch
import transformers
from PIL import Image
from transformers import DynamicCache, JanusConfig, JanusForConditionalGeneration, LlamaConfig
from transformers.models.janus.configuration_janus import JanusVisionConfig, JanusVQVAEConfig

import shapes
from shapes import CASES

options = argparse.ArgumentParser()
options.add_argument("--shape", default="1b", choices=shapes.SHAPES)
options.add_argument("--images", type=int, default=8)
options.add_argument("--text", type=int, default=16)
options.add_argument("--only", default="", help="parts, separated by blanks")
options.add_argument("--threads", type=int)
options.add_argument("--save", help="only write a checkpoint of these weights into this folder")
options = options.parse_args()
if options.threads:
    torch.set_num_threads(options.threads)
torch.manual_seed(0)
torch.set_default_dtype(torch.bfloat16)
hidden, ffn, layers, heads = shapes.SHAPES[options.shape]
vocabulary = shapes.VOCABULARY[options.shape]
CODEBOOK = 16_384
SIDE = 384
CALIBRATION_STEPS = 3


def build() -> JanusForConditionalGeneration:
    text = LlamaConfig(
        hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=heads, head_dim=shapes.HEAD_SIZE, vocab_size=vocabulary, max_position_embeddings=4096,
        rms_norm_eps=1e-6, rope_theta=10_000.0, bos_token_id=0, eos_token_id=1, pad_token_id=2)
    vision = JanusVisionConfig(projection_dim=hidden, num_hidden_layers=1 if options.shape == "tiny" else 24)
    pictures = JanusVQVAEConfig(
        num_patches=24, projection_dim=hidden, image_token_embed_dim=hidden,
        base_channels=32 if options.shape == "tiny" else 128)
    configuration = JanusConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), vq_config=pictures.to_dict())
    configuration._attn_implementation = "sdpa"
    return JanusForConditionalGeneration(configuration).eval()


def say(line: dict) -> None:
    print(json.dumps(line), flush=True)


if options.save:
    build().save_pretrained(options.save)
    sys.exit()
wanted = shapes.parts(options.only, options.images, options.text)
model = build()
language = model.model.language_model


def noise(rows: int, count: int):
    return torch.randn(rows, count, hidden)


def extend(cache, embeddings):
    """- Returns: [rows, hidden], of the last position."""
    return language(inputs_embeds=embeddings, cache=cache, use_cache=True).last_hidden_state[:, -1]


def see():
    return model.model.get_image_features(torch.randn(1, 3, SIDE, SIDE)).pooler_output


def prefill() -> None:
    model.lm_head(extend(DynamicCache(), noise(1, CASES["prefill_tokens"])))


def decode(tokens):
    """- Returns: [SIDE, SIDE, 3], the picture of [1, STEPS] tokens."""
    return model.decode_image_tokens(tokens)[0]


def draw(images: int, steps: int = shapes.STEPS) -> list[bytes]:
    """- Returns: the pictures' files; of fewer steps than a picture has, none."""
    cache = DynamicCache()
    last = extend(cache, noise(2 * images, CASES["prompt_tokens"]))
    drawn: list[torch.Tensor] = []
    while True:
        logits = model.model.generation_head(last)
        conditional, unconditional = logits[:images], logits[images:]
        guided = unconditional + CASES["guidance"] * (conditional - unconditional)
        drawn.append(torch.multinomial(torch.softmax(guided.float(), -1), 1))
        if len(drawn) == steps:
            break
        embeddings = model.prepare_embeddings_for_image_generation(torch.cat([drawn[-1], drawn[-1]]))
        last = extend(cache, embeddings.reshape(2 * images, 1, hidden))
    files = []
    for tokens in torch.cat(drawn, 1).split(1) if steps == shapes.STEPS else ():
        pixels = ((decode(tokens).float() + 1) * 127.5).clamp(0, 255).to(torch.uint8).numpy()
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        files.append(file.getvalue())
    return files


def write(prompt, steps: int = CASES["answer_tokens"]) -> float:
    """- Returns: seconds of a step, without the prompt and the last token, which is never fed."""
    cache = DynamicCache()
    last = extend(cache, prompt)
    start = time.perf_counter()
    for _ in range(steps - 1):
        tokens = model.lm_head(last).argmax(-1, keepdim=True)
        last = extend(cache, language.get_input_embeddings()(tokens))
    seconds = (time.perf_counter() - start) / (steps - 1)
    model.lm_head(last).argmax(-1)
    return seconds


def question():
    picture = see()
    before = (CASES["question_tokens"] - picture.shape[1]) // 2
    after = CASES["question_tokens"] - picture.shape[1] - before
    return torch.cat([noise(1, before), picture, noise(1, after)], 1)


def run(part: str) -> dict[str, float]:
    """- Returns: seconds, by key."""
    tokens = torch.randint(0, CODEBOOK, (1, shapes.STEPS))
    steps = {}
    start = time.perf_counter()
    if part == "vq":
        decode(tokens)
    elif part == "vision":
        see()
    elif part == "prefill":
        prefill()
    elif part in ("image", "images"):
        count = 1 if part == "image" else options.images
        if len(draw(count)) != count:
            sys.exit("an image is missing")
    elif part == "answer":
        steps["answer_step"] = write(question())
    elif part == "answers":
        steps["answers_step"] = write(noise(options.text, CASES["text_tokens"]))
    return {part: time.perf_counter() - start, **steps}


def expected() -> dict[str, float]:
    """Seconds of one run of each wanted part, from a few steps of each kind."""

    def seconds(body) -> float:
        start = time.perf_counter()
        body()
        return time.perf_counter() - start

    found = {part: seconds(lambda: run(part)) for part in ("vq", "vision", "prefill")}
    # keys and values that grow make later steps longer
    growth = 1.3
    for part, count in (("image", 1), ("images", options.images)):
        if part in wanted:
            several = seconds(lambda: draw(count, 1 + CALIBRATION_STEPS)) - seconds(lambda: draw(count, 1))
            found[part] = growth * shapes.STEPS * max(several, 0) / CALIBRATION_STEPS + count * found["vq"]
    if "answer" in wanted:
        step = write(noise(1, CASES["text_tokens"]), CALIBRATION_STEPS)
        found["answer"] = found["vision"] + found["prefill"] + growth * CASES["answer_tokens"] * step
    if "answers" in wanted:
        step = write(noise(options.text, CASES["text_tokens"]), CALIBRATION_STEPS)
        found["answers"] = found["prefill"] + growth * CASES["answer_tokens"] * step
    return {part: found[part] for part in wanted}


with torch.inference_mode():
    say({"expected": expected()})
    for line in sys.stdin:
        say({"part": line.strip(), "seconds": run(line.strip())})
say({
    "name": "transformers", "version": transformers.__version__, "torch": torch.__version__, "precision": "bf16",
    "shape": options.shape, "threads": torch.get_num_threads(),
})
