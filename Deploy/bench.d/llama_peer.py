"""The benchmarks of llama.cpp, or of its fork ik_llama.cpp, on a GGUF file: `llama_peer.py PROGRAMS FILE --threads N --text N`.
Prints JSON with "runs": seconds by key, with the keys of `janus-model bench` that a language model alone has. It takes no turns."""

import argparse, json, os, subprocess, sys, tempfile

import shapes
from shapes import CASES

options = argparse.ArgumentParser()
options.add_argument("programs")
options.add_argument("file")
options.add_argument("--ik", action="store_true", help="ik_llama.cpp, which repacks weights as it loads them")
options.add_argument("--threads", type=int, required=True)
options.add_argument("--text", type=int, default=16)
options.add_argument("--only", default="", help="parts, separated by blanks")
options.add_argument("--runs", type=int, default=5)
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


def rates(*arguments: object) -> list[float]:
    """Tokens a second of each repetition."""
    common = ["-t", options.threads, "-r", options.runs, "-fa", 1, "-o", "json"]
    common += ["-rtr", 1] if options.ik else []
    return json.loads(run("llama-bench", *common, *arguments).stdout)[0]["samples_ts"]


def say(text: str) -> None:
    print(f"{name}: {text}", file=sys.stderr, flush=True)


def rates_of(done: subprocess.CompletedProcess) -> list[float]:
    """Tokens a second of each line of llama-batched-bench's table; the fork knows no JSON and writes to standard error."""
    if options.ik:
        return [float(line.split("|")[8]) for line in done.stderr.splitlines() if line.startswith("|") and "." in line]
    return [json.loads(line)["speed_tg"] for line in done.stdout.splitlines() if line.startswith("{")]


wanted = shapes.parts(options.only, 1, options.text)
found: dict[str, list[float]] = {}
if "prefill" in wanted:
    say("prefill")
    found["prefill"] = [CASES["prefill_tokens"] / rate for rate in rates("-p", CASES["prefill_tokens"], "-n", 0)]
if "answer" in wanted:
    say("one text")
    context, steps = CASES["question_tokens"], CASES["answer_tokens"]
    behind = ["-n", 0, "-gp", f"{context},{steps}"] if options.ik else ["-n", steps, "-d", context]
    found["answer_step"] = [1 / rate for rate in rates("-p", 0, *behind)]
if "answers" in wanted:
    say(f"{options.text} texts")
    context, steps = CASES["text_tokens"], CASES["answer_tokens"]
    several: list[float] = []
    for _ in range(3 * options.runs):
        forms = ["-rtr"] if options.ik else ["--output-format", "jsonl"]
        # its log is written by a thread that sometimes does not come to print the line before the program ends
        several += rates_of(run(
            "llama-batched-bench", "-t", options.threads, "-fa", "on", "-c", options.text * (context + steps + 8), "-npp",
            context, "-ntg", steps, "-npl", options.text, *forms))
        if len(several) >= options.runs:
            break
    else:
        sys.exit(f"llama-batched-bench printed {len(several)} results in {3 * options.runs} runs")
    found["answers_step"] = [options.text / rate for rate in several]
print(json.dumps({"name": name, "runs": found}, indent=2))
