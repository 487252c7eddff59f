"""A byte-level BPE of 576 entries in the style of the published checkpoints: their pre-tokeniser, their special tokens."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from tokenizers.pre_tokenizers import Split

from . import language
from .world import LETTERS, sample_scene

VOCABULARY = 576
BOS, EOS, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
IMAGE_BEGIN, IMAGE, IMAGE_END = "<begin_of_image>", "<image_placeholder>", "<end_of_image>"
SPECIAL = (BOS, EOS, PAD, IMAGE_BEGIN, IMAGE, IMAGE_END)

SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)
USER, ASSISTANT = "<|User|>", "<|Assistant|>"

_LETTERS = (
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-"
    r"ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ"
    r"-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"
)


def _pre_tokenizer() -> pre_tokenizers.Sequence:
    patterns = ("[\r\n]", _LETTERS, "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$", "[一-龥ࠀ-一가-퟿]+", "\\p{N}+")
    splits = [Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def corpus(count: int, seed: int):
    """Lines of every sort that the model will read. Texts drawn in pictures stay out, so that each letter is one token."""
    r = random.Random(seed)
    for _ in range(count):
        scene = sample_scene(r, r.choice(("single", "pair", "count")))
        chinese = r.random() < 0.4  # more than in training: every character should cost one token, not three
        yield f"{USER}: {language.caption(scene, r)}\n\n{ASSISTANT}:"
        yield f"{language.description(scene)} {language.description_zh(scene)}"
        for question in language.questions_about(scene, r, chinese).values():
            yield f"{USER}: \n{question.text}\n\n{ASSISTANT}: {question.answer}"
        question = language.text_question(r)
        yield f"{SYSTEM}\n\n{USER}: {question.text}\n\n{ASSISTANT}: {question.answer}"
        yield " the text in, the letters: " + " ".join(r.sample(LETTERS, 2)) + " Read the text. What does the text say? 文字写的是什么？"


def train(path: Path, seed: int = 1) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _pre_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(corpus(6000, seed), trainer)
    assert tokenizer.get_vocab_size() == VOCABULARY - len(SPECIAL), "the corpus has too few different pairs"
    tokenizer.add_special_tokens(list(SPECIAL))
    bos = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, bos)])
    tokenizer.decoder = decoders.ByteLevel()
    settings = json.loads(tokenizer.to_str())
    for token in settings["added_tokens"]:
        token["normalized"] = False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, ensure_ascii=False))
    return Tokenizer.from_file(str(path))
