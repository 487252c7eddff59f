"""Janus-Pro's language model with random weights in OpenVINO, weights in 8 or 4 bits as NNCF packs them: `openvino_peer.py --bits
8|4`. The graph is what optimum's exporter makes of a Llama: keys and values are states of the model. Prints JSON with "runs": seconds
by key, with the keys of `janus-model bench` that a language model alone has. It takes no turns."""

import argparse, json, sys, time

import numpy as np
import openvino as ov
import openvino.opset13 as op
from openvino.op.util import Variable, VariableInfo

import shapes
from shapes import CASES

options = argparse.ArgumentParser()
options.add_argument("--shape", default="1b", choices=shapes.SHAPES)
options.add_argument("--bits", type=int, choices=(8, 4), required=True)
options.add_argument("--threads", type=int, required=True)
options.add_argument("--text", type=int, default=16)
options.add_argument("--only", default="", help="parts, separated by blanks")
options.add_argument("--runs", type=int, default=5)
options = options.parse_args()
hidden, ffn, layers, heads = shapes.SHAPES[options.shape]
vocabulary = shapes.VOCABULARY[options.shape]
size = shapes.HEAD_SIZE
GROUP = 128
random = np.random.default_rng(0)


def say(text: str) -> None:
    print(f"openvino int{options.bits}: {text}", file=sys.stderr, flush=True)


def constant(values, kind=np.float32):
    return op.constant(np.asarray(values, kind))


def weights(rows: int, columns: int, bits: int):
    """[rows, columns] as integers with scales, which the plugin unpacks inside its product."""
    if bits == 8:
        stored = op.constant(random.integers(-127, 128, (rows, columns), dtype=np.int8))
        scales = np.full((rows, 1), 1 / columns**0.5 / 74, np.float16)
        return op.convert(op.multiply(op.convert(stored, np.float16), op.constant(scales)), np.float32)
    shape = [rows, columns // GROUP, GROUP]
    packed = random.integers(0, 256, rows * columns // 2, dtype=np.uint8)
    stored = op.constant(ov.Tensor(packed, ov.Shape(shape), ov.Type.i4))
    scales = np.full((rows, columns // GROUP, 1), 1 / columns**0.5 / 4.6, np.float16)
    whole = op.reshape(
        op.multiply(op.convert(stored, np.float16), op.constant(scales)), constant([rows, columns], np.int64), False)
    return op.convert(whole, np.float32)


def linear(x, rows: int, columns: int, bits: int = options.bits):
    return op.matmul(x, weights(rows, columns, bits), False, True)


def norm(x):
    mean = op.reduce_mean(op.power(x, constant(2.0)), constant([-1], np.int64), True)
    return op.multiply(op.multiply(x, op.divide(constant(1.0), op.sqrt(op.add(mean, constant(1e-6))))),
                       constant(np.ones((1, 1, hidden))))


def build() -> ov.Model:
    tokens = op.parameter([-1, -1], np.int64, name="input_ids")
    positions = op.parameter([-1, -1], np.int64, name="position_ids")
    mask = op.parameter([1, 1, -1, -1], np.float32, name="mask")
    beams = op.parameter([-1], np.int32, name="beam_idx")
    axis0 = constant(0, np.int64)
    angles = np.outer(np.arange(4096), 1 / 10_000 ** (np.arange(0, size, 2) / size)).astype(np.float32)
    angles = np.concatenate([angles, angles], 1)
    cosine, sine = [
        op.unsqueeze(op.gather(constant(table), positions, axis0), constant([1], np.int64))
        for table in (np.cos(angles), np.sin(angles))
    ]
    batch = op.gather(op.shape_of(tokens, "i64"), constant([0], np.int64), axis0)
    empty = op.broadcast(
        constant(0.0), op.concat([batch, constant([heads, 0, size], np.int64)], 0))
    assigns = []

    def split(x):
        """[B, S, heads · size] → [B, heads, S, size]"""
        return op.transpose(
            op.reshape(x, constant([0, 0, heads, size], np.int64), True), constant([0, 2, 1, 3], np.int64))

    def rotate(x):
        first, second = op.split(x, constant(-1, np.int64), 2).outputs()
        turned = op.concat([op.multiply(second, constant(-1.0)), first], -1)
        return op.add(op.multiply(x, cosine), op.multiply(turned, sine))

    def remember(name: str, new):
        information = VariableInfo()
        information.data_shape = ov.PartialShape([-1, heads, -1, size])
        information.data_type = ov.Type.f32
        information.variable_id = name
        variable = Variable(information)
        past = op.gather(op.read_value(empty, variable), beams, axis0)
        whole = op.concat([past, new], 2)
        assigns.append(op.assign(whole, variable))
        return whole

    width = heads * size
    x = op.gather(
        op.convert(op.constant(random.standard_normal((vocabulary, hidden), np.float32).astype(np.float16)), np.float32),
        tokens, axis0)
    for layer in range(layers):
        y = norm(x)
        query = rotate(split(linear(y, width, hidden)))
        key = remember(f"past_key_values.{layer}.key", rotate(split(linear(y, width, hidden))))
        value = remember(f"past_key_values.{layer}.value", split(linear(y, width, hidden)))
        attended = op.scaled_dot_product_attention(query, key, value, mask)
        attended = op.reshape(
            op.transpose(attended, constant([0, 2, 1, 3], np.int64)), constant([0, 0, width], np.int64), True)
        x = op.add(x, linear(attended, hidden, width))
        y = norm(x)
        x = op.add(x, linear(op.multiply(op.swish(linear(y, ffn, hidden)), linear(y, ffn, hidden)), hidden, ffn))
    # only the last position is asked for its token
    last = op.gather(norm(x), constant([-1], np.int64), constant(1, np.int64))
    # NNCF leaves the head in 8 bits
    logits = op.result(linear(last, vocabulary, hidden, 8), name="logits")
    return ov.Model([logits], assigns, [tokens, positions, mask, beams], "llama")


def run(request, rows: int, start: int, count: int) -> float:
    """- Returns: seconds."""
    columns = np.arange(start + count)
    mask = np.where(columns[None, :] <= np.arange(start, start + count)[:, None], 0, -3e38).astype(np.float32)
    inputs = {
        "input_ids": random.integers(0, vocabulary, (rows, count)),
        "position_ids": np.tile(np.arange(start, start + count), (rows, 1)),
        "mask": mask[None, None],
        "beam_idx": np.arange(rows, dtype=np.int32),
    }
    begin = time.perf_counter()
    request.infer(inputs, share_inputs=True).to_tuple()[0].argmax(-1)
    return time.perf_counter() - begin


def steps(request, rows: int, context: int) -> float:
    """- Returns: seconds of a step behind a new prompt."""
    request.reset_state()
    run(request, rows, 0, context)
    count = CASES["answer_tokens"] - 1
    return sum(run(request, rows, context + step, 1) for step in range(count)) / count


def prefill(request) -> float:
    request.reset_state()
    return run(request, 1, 0, CASES["prefill_tokens"])


say(f"{options.shape}, openvino {ov.__version__}: making and compiling the model")
model = build()
for place, name in zip(model.inputs, ("input_ids", "position_ids", "mask", "beam_idx")):
    place.get_tensor().set_names({name})
compiled = ov.Core().compile_model(
    model, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": options.threads})
del model
request = compiled.create_infer_request()
bodies = {
    "prefill": lambda: prefill(request),
    "answer": lambda: steps(request, 1, CASES["question_tokens"]),
    "answers": lambda: steps(request, options.text, CASES["text_tokens"]),
}
found: dict[str, list[float]] = {}
for part in shapes.parts(options.only, 1, options.text):
    if part in bodies:
        say(part)
        found[shapes.LANGUAGE_PARTS[part]] = [bodies[part]() for _ in range(options.runs)]
print(json.dumps({"name": f"openvino int{options.bits}", "runs": found}, indent=2))
