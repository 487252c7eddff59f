"""llama.cpp's benchmarks on a GGUF file: `llama_peer.py PROGRAMS FILE --threads N --text N`. Prints JSON {key: {"seconds": …}}
with the keys of `janus-model bench` that a language model alone has."""

import argparse, json, subprocess, sys

import shapes

options = argparse.ArgumentParser()
options.add_argument("programs")
options.add_argument("file")
options.add_argument("--threads", type=int, required=True)
options.add_argument("--text", type=int, default=16)
options.add_argument("--repeats", type=int, default=5)
options = options.parse_args()


def run(program: str, *arguments: object) -> str:
    command = [f"{options.programs}/{program}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def fastest(*arguments: object) -> float:
    """Tokens a second of the best repetition."""
    common = ["-m", options.file, "-t", options.threads, "-r", options.repeats, "-fa", 1, "-o", "json"]
    return max(json.loads(run("llama-bench", *common, *arguments))[0]["samples_ts"])


def say(text: str) -> None:
    print(f"llama.cpp: {text}", file=sys.stderr, flush=True)


found = {}
say("prefill")
found["prefill"] = shapes.PREFILL_TOKENS / fastest("-p", shapes.PREFILL_TOKENS, "-n", 0)
say("one text")
found["decode"] = 1 / fastest("-p", 0, "-n", 16, "-d", shapes.PICTURE_CONTEXT)
if options.text:
    say(f"{options.text} texts")
    steps = 16
    rates: list[float] = []
    for _ in range(3 * options.repeats):
        table = run(
            "llama-batched-bench", "-m", options.file, "-t", options.threads, "-fa", "on", "-c",
            options.text * (shapes.TEXT_CONTEXT + steps + 8), "-npp", shapes.TEXT_CONTEXT, "-ntg", steps, "-npl",
            options.text, "--output-format", "jsonl")
        # its log is written by a thread that sometimes does not come to print the line before the program ends
        rates += [json.loads(line)["speed_tg"] for line in table.splitlines() if line.startswith("{")]
        if len(rates) >= options.repeats:
            break
    else:
        sys.exit(f"llama-batched-bench printed {len(rates)} results in {3 * options.repeats} runs")
    found["texts"] = options.text / max(rates)
print(json.dumps({key: {"seconds": seconds} for key, seconds in found.items()}, indent=2))
