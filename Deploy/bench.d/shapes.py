"""Sizes and cases that all contenders run: those of `janus-model bench` (EngineBench.swift)."""

SHAPES = {  # hidden, ffn, layers, heads
    "1b": (2048, 5632, 24, 16),
    "7b": (4096, 11008, 30, 32),
    "tiny": (256, 512, 2, 2),
}
VOCABULARY = {"1b": 102_400, "7b": 102_400, "tiny": 1024}
HEAD_SIZE = 128
PROMPT_TOKENS = 32
STEPS = 576
CONTEXTS = [PROMPT_TOKENS + STEPS * i // 4 for i in range(5)]
TEXT_CONTEXT = 40
PICTURE_CONTEXT = 700
PREFILL_TOKENS = 646
GUIDANCE = 5.0


def image_seconds(prefill: float, steps: list[float], images: int, vq: float) -> float:
    """Seconds an image, from the prompt's time, a step's at each of CONTEXTS and a picture's decoding."""
    weights = [STEPS / 4 * (0.5 if i in (0, 4) else 1) for i in range(5)]
    return (prefill + sum(w * s for w, s in zip(weights, steps))) / images + vq
