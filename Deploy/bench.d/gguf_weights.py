"""Random weights of Janus-Pro's language model in one of llama.cpp's formats: `gguf_weights.py 1b|7b q8_0|q4_0|bf16 OUT.gguf`.
The heads of a q4_0 file are q6_k, as llama.cpp's own quantiser makes them."""

import sys

import gguf
import numpy as np

import shapes

shape, precision, out = sys.argv[1:4]
hidden, ffn, layers, heads = shapes.SHAPES[shape]
vocabulary = shapes.VOCABULARY[shape]
kinds = gguf.GGMLQuantizationType
kind = {"q8_0": kinds.Q8_0, "q4_0": kinds.Q4_0, "bf16": kinds.BF16}[precision]
head_kind = kinds.Q6_K if kind == kinds.Q4_0 else kind
random = np.random.default_rng(0)


def blocks(kind, rows: int, columns: int) -> np.ndarray:
    """Bytes [rows, bytes of a row]: noise, with a scale of 1/√columns."""
    size, width = gguf.GGML_QUANT_SIZES[kind]
    if kind == kinds.BF16:
        values = random.standard_normal((rows, columns), dtype=np.float32) / np.float32(columns**0.5)
        return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    data = random.integers(0, 256, (rows * columns // size, width), dtype=np.uint8)
    largest = {kinds.Q8_0: 74, kinds.Q4_0: 4.6, kinds.Q6_K: 74 * 19}[kind]
    scale = np.frombuffer(np.float16(1 / columns**0.5 / largest).tobytes(), np.uint8)
    place = slice(width - 2, width) if kind == kinds.Q6_K else slice(0, 2)
    data[:, place] = scale
    return data.reshape(rows, -1)


writer = gguf.GGUFWriter(out, "llama")
writer.add_block_count(layers)
writer.add_context_length(4096)
writer.add_embedding_length(hidden)
writer.add_feed_forward_length(ffn)
writer.add_head_count(heads)
writer.add_head_count_kv(heads)
writer.add_key_length(shapes.HEAD_SIZE)
writer.add_value_length(shapes.HEAD_SIZE)
writer.add_rope_dimension_count(shapes.HEAD_SIZE)
writer.add_rope_freq_base(10_000.0)
writer.add_layer_norm_rms_eps(1e-6)
writer.add_vocab_size(vocabulary)
writer.add_file_type({"q8_0": 7, "q4_0": 2, "bf16": 32}[precision])
writer.add_tokenizer_model("none")  # the benchmarks make their tokens up


def matrix(name: str, rows: int, columns: int, kind=kind) -> None:
    writer.add_tensor(name, blocks(kind, rows, columns), raw_dtype=kind)


def norm(name: str) -> None:
    writer.add_tensor(name, np.ones(hidden, np.float32))


width = heads * shapes.HEAD_SIZE
matrix("token_embd.weight", vocabulary, hidden)
for layer in range(layers):
    block = f"blk.{layer}."
    norm(block + "attn_norm.weight")
    for part in ("attn_q", "attn_k", "attn_v"):
        matrix(f"{block}{part}.weight", width, hidden)
    matrix(block + "attn_output.weight", hidden, width)
    norm(block + "ffn_norm.weight")
    matrix(block + "ffn_gate.weight", ffn, hidden)
    matrix(block + "ffn_up.weight", ffn, hidden)
    matrix(block + "ffn_down.weight", hidden, ffn)
norm("output_norm.weight")
matrix("output.weight", vocabulary, hidden, head_kind)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file(progress=sys.stderr.isatty())
writer.close()
