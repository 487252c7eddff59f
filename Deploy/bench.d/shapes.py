"""Sizes and cases that all contenders run: those of `janus-model bench` (EngineBench.swift), whose report repeats CASES."""

SHAPES = {  # hidden, ffn, layers, heads
    "1b": (2048, 5632, 24, 16),
    "7b": (4096, 11008, 30, 32),
    "tiny": (256, 512, 2, 2),
}
VOCABULARY = {"1b": 102_400, "7b": 102_400, "tiny": 1024}
HEAD_SIZE = 128
STEPS = 576
CASES = {
    "prompt_tokens": 32,
    "question_tokens": 700,
    "text_tokens": 40,
    "answer_tokens": 64,
    "prefill_tokens": 646,
    "guidance": 5,
}
# in the order in which they are run; what each is, `janus-model bench --help` says
PARTS = ("vq", "vision", "prefill", "image", "images", "answer", "answers")
# those of a language model alone, with the keys of their figures
LANGUAGE_PARTS = {"prefill": "prefill", "answer": "answer_step", "answers": "answers_step"}


def parts(only: str, images: int, texts: int) -> list[str]:
    """The parts that are wanted, `only` being their names or nothing for all."""
    names = only.split()
    for name in names:
        if name not in PARTS:
            raise ValueError(f"there is no part {name}; the parts are {' '.join(PARTS)}")
    counts = {"images": images, "answers": texts}
    for name in names:
        if counts.get(name) == 0:
            raise ValueError(f"{name} is asked for and their number is 0")
    return [name for name in PARTS if (not names or name in names) and counts.get(name) != 0]
