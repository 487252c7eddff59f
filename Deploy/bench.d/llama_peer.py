"""The benchmarks of llama.cpp, or of its fork ik_llama.cpp, on a GGUF file: `llama_peer.py PROGRAMS FILE --threads N --text N`.
Prints JSON {key: {"seconds": …}} with the keys of `janus-model bench` that a language model alone has."""

import argparse, json, os, subprocess, sys, tempfile

import shapes

options = argparse.ArgumentParser()
options.add_argument("programs")
options.add_argument("file")
options.add_argument("--ik", action="store_true", help="ik_llama.cpp, which repacks weights as it loads them")
options.add_argument("--threads", type=int, required=True)
options.add_argument("--text", type=int, default=16)
options.add_argument("--repeats", type=int, default=5)
options = options.parse_args()
name = "ik_llama.cpp" if options.ik else "llama.cpp"


def run(program: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [os.path.abspath(f"{options.programs}/{program}"), "-m", os.path.abspath(options.file), *map(str, arguments)]
    # ik_llama.cpp leaves a log where it runs
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return done


def fastest(*arguments: object) -> float:
    """Tokens a second of the best repetition."""
    common = ["-t", options.threads, "-r", options.repeats, "-fa", 1, "-o", "json"]
    common += ["-rtr", 1] if options.ik else []
    return max(json.loads(run("llama-bench", *common, *arguments).stdout)[0]["samples_ts"])


def say(text: str) -> None:
    print(f"{name}: {text}", file=sys.stderr, flush=True)


def rates_of(done: subprocess.CompletedProcess) -> list[float]:
    """Tokens a second of each line of llama-batched-bench's table; the fork knows no JSON and writes to standard error."""
    if options.ik:
        return [float(line.split("|")[8]) for line in done.stderr.splitlines() if line.startswith("|") and "." in line]
    return [json.loads(line)["speed_tg"] for line in done.stdout.splitlines() if line.startswith("{")]


found = {}
say("prefill")
found["prefill"] = shapes.PREFILL_TOKENS / fastest("-p", shapes.PREFILL_TOKENS, "-n", 0)
say("one text")
behind = ["-n", 0, "-gp", f"{shapes.PICTURE_CONTEXT},16"] if options.ik else ["-n", 16, "-d", shapes.PICTURE_CONTEXT]
found["decode"] = 1 / fastest("-p", 0, *behind)
if options.text:
    say(f"{options.text} texts")
    steps = 16
    rates: list[float] = []
    for _ in range(3 * options.repeats):
        forms = ["-rtr"] if options.ik else ["--output-format", "jsonl"]
        # its log is written by a thread that sometimes does not come to print the line before the program ends
        rates += rates_of(run(
            "llama-batched-bench", "-t", options.threads, "-fa", "on", "-c",
            options.text * (shapes.TEXT_CONTEXT + steps + 8), "-npp", shapes.TEXT_CONTEXT, "-ntg", steps, "-npl",
            options.text, *forms))
        if len(rates) >= options.repeats:
            break
    else:
        sys.exit(f"llama-batched-bench printed {len(rates)} results in {3 * options.repeats} runs")
    found["texts"] = options.text / max(rates)
print(json.dumps({key: {"seconds": seconds} for key, seconds in found.items()}, indent=2))
