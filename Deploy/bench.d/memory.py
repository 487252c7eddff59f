"""Proportional memory of several processes that draw with one pack: `memory.py JANUS-MODEL PACK KV-BYTES-PER-POSITION`. Prints
JSON. Processes of the tool are measured, since a worker's sandbox keeps others from looking at its memory; the engine is the
same."""

import json, pathlib, subprocess, sys, tempfile, time

import shapes

program, pack, position_bytes = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
WORKERS = 4
# two rows of one image each
cache = WORKERS * 2 * (shapes.CASES["prompt_tokens"] + shapes.STEPS) * position_bytes


def proportional(pid: int) -> int:
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has just ended
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


with tempfile.TemporaryDirectory() as folder:
    workers = [
        subprocess.Popen(
            [program, "generate", pack, "a red fox in the snow", "--threads", "1", "--quiet", "--seed", str(seed),
             "--output", f"{folder}/{seed}"], stdout=subprocess.DEVNULL)
        for seed in range(WORKERS)
    ]
    try:
        most = 0
        # until the first ends: from then on they are fewer
        while all(worker.poll() is None for worker in workers):
            most = max(most, sum(proportional(worker.pid) for worker in workers))
            time.sleep(0.5)
    finally:
        for worker in workers:
            worker.kill()
        codes = [worker.wait() for worker in workers]
if not most:
    sys.exit("no process's memory could be read while all of them ran")
if any(code > 0 for code in codes):
    sys.exit(f"a process failed: exit statuses {codes}")
size = pack.stat().st_size
print(json.dumps({
    "workers": WORKERS, "proportional": most, "pack": size, "cache": cache, "limit": int((size + cache) * 1.15),
}, indent=2))
