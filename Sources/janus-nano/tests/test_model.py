"""The packed forward pass, the sequences and the export against transformers' own."""

import random

import numpy as np
import pytest
import torch

from janus_nano import export, nano, run, stages, vq
from janus_nano import tokenizer as words
from janus_nano.sequences import IGNORED, Writer, pack


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer = words.train(path)
    return nano.build(nano.SIZES["small"], tokenizer, 1).eval(), tokenizer, path


def test_the_vocabulary_is_as_configured_and_special_tokens_come_last(parts):
    _, tokenizer, _ = parts
    assert tokenizer.get_vocab_size() == words.VOCABULARY
    assert sorted(tokenizer.token_to_id(s) for s in words.SPECIAL) == list(range(words.VOCABULARY - 6, words.VOCABULARY))
    assert tokenizer.decode(tokenizer.encode("三个红色圆形 and a red circle").ids) == "三个红色圆形 and a red circle"


def test_a_packed_batch_learns_what_each_sample_alone_would(parts):
    model, tokenizer, _ = parts
    writer, r = Writer(tokenizer), random.Random(1)
    codes = np.arange(64) * 3
    kinds = {
        "understanding": [writer.understanding_sample(r) for _ in range(3)],
        "text": [writer.text_sample(r) for _ in range(2)],
        "drawing": [writer.drawing("a red circle", codes, dropped) for dropped in (False, True)],
    }
    with torch.no_grad():
        batch = pack(writer, kinds)
        y = nano.hidden_states(model.model.language_model, stages.embed(model, batch), batch.positions, batch.groups)
        at = 0
        for kind, samples in kinds.items():
            for sample in samples:
                alone = pack(writer, {kind: [sample]})
                x = stages.embed(model, alone)
                expected = model.model.language_model(inputs_embeds=x[None], use_cache=False).last_hidden_state[0]
                assert torch.allclose(y[at : at + len(x)], expected, atol=2e-5)
                at += len(x)


def test_targets_are_the_next_tokens_of_answers_only(parts):
    _, tokenizer, _ = parts
    writer, r = Writer(tokenizer), random.Random(2)
    for _ in range(50):
        sample = writer.understanding_sample(r)
        assert len(sample.ids) == len(sample.targets)
        learnt = [i for i, t in enumerate(sample.targets) if t != IGNORED]
        assert all(sample.ids[i + 1] == sample.targets[i] for i in learnt if i + 1 < len(sample.ids))
        assert sample.targets[-1] == writer.eos


def test_the_unconditional_row_keeps_the_first_and_the_last_token(parts):
    _, tokenizer, _ = parts
    writer = Writer(tokenizer)
    row = writer.drawing_prompt("a red circle")
    assert writer.unconditional(row) == [writer.bos, *[writer.pad] * (len(row) - 2), writer.begin]


def test_an_exported_checkpoint_loads_and_draws_what_the_model_drew(parts, tmp_path):
    model, _, path = parts
    export.checkpoint(model, path, 3, tmp_path / "hf")
    loaded, tokenizer = export.load(tmp_path / "hf")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor.to(torch.bfloat16).float(), loaded.state_dict()[name])
    codes = run.draw_codes(loaded, tokenizer, ["a red circle", "three blue squares on a white background"], 3.0, seed=1)
    assert run.pixels(loaded, codes).shape == (2, 64, 64, 3)
    # a row does not depend on its neighbours' lengths
    assert torch.equal(run.draw_codes(loaded, tokenizer, ["a red circle"], 3.0, 1, temperature=0)[0], run.draw_codes(loaded, tokenizer, ["a red circle", "three blue squares on a white background"], 3.0, 1, temperature=0)[0])  # fmt: skip
    export.original(tmp_path / "hf", tmp_path / "original")
    assert (tmp_path / "original" / "pytorch_model.bin").exists()


def test_both_rules_of_the_encoder_choose_the_same_codes(parts):
    model, _, _ = parts
    book = model.model.vqmodel.quantize.embedding.weight
    with torch.no_grad():
        book.copy_(torch.nn.functional.normalize(book, dim=1))
        x = torch.rand(2, 3, 64, 64) * 2 - 1
        assert torch.equal(vq.encode(model.model.vqmodel, x).flatten(), model.model.vqmodel.encode(x).image_tokens)
