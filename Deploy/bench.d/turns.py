"""Lets contenders take turns in one run, so that a machine that gets slower or faster does so for all: `turns.py FOLDER --ours
"PROGRAM bench … --precision int8" --peer "PYTHON transformers_peer.py …"`. Each contender is a process that keeps its weights and
runs a part when its name is written to it (`janus-model bench --turns`, transformers_peer.py); only one computes at a time.

In every round, each part is run once by each contender in turn: run 1 of ours, run 1 of the peer, run 2 of ours, … A peer
runs whole images in its first --peer-images rounds only. Writes janus-PRECISION.json and transformers.json into FOLDER, the latter with
"runs" by key. A contender of ours that fails ends all; a peer that fails leaves NAME.failed, which the table says."""

import argparse, json, pathlib, shlex, subprocess, sys, time

import shapes


class Failed(Exception):
    pass


class Contender:
    """One process, from its start to its report."""

    def __init__(self, name: str, command: str, is_ours: bool):
        self.name = name
        self.is_ours = is_ours
        self.runs: dict[str, list[float]] = {}
        self.process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        # of one run, by part; in the order of the parts
        self.expected: dict[str, float] = self.read()["expected"]

    def read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} ended with exit status {self.process.wait()}")
        return json.loads(line)

    def run(self, part: str) -> float:
        """- Returns: seconds of the whole part."""
        try:
            self.process.stdin.write(part + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # what there is to say, `read` says
        seconds = self.read()["seconds"]
        for key, value in seconds.items():
            self.runs.setdefault(key, []).append(value)
        return seconds[part]

    def report(self) -> dict:
        self.process.stdin.close()
        text = self.process.stdout.read()
        if self.process.wait() != 0:
            raise Failed(f"{self.name} ended with exit status {self.process.returncode}")
        return json.loads(text)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=pathlib.Path)
    options.add_argument("--ours", action="append", default=[], metavar="NAME=COMMAND")
    options.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    options.add_argument("--runs", type=int, required=True)
    options.add_argument("--peer-images", type=int, required=True, help="runs of whole images by each peer")
    options = options.parse_args()
    contenders: list[Contender] = []

    def drop(contender_name: str, failure: Failed) -> None:
        if any(name.partition("=")[0] == contender_name for name in options.ours):
            sys.exit(str(failure))
        say(f"{failure}; the table will say so")
        (options.folder / f"{contender_name}.failed").write_text(f"{failure}\n")

    def rounds(contender: Contender, part: str) -> int:
        return options.runs if contender.is_ours or part not in ("image", "images") else options.peer_images

    try:
        for is_ours, commands in ((True, options.ours), (False, options.peer)):
            for name, _, command in (each.partition("=") for each in commands):
                say(f"{name}: making weights")
                try:
                    contenders.append(Contender(name, command, is_ours))
                except Failed as failure:
                    drop(name, failure)
        parts = list(dict.fromkeys(part for contender in contenders for part in contender.expected))
        parts.sort(key=shapes.PARTS.index)
        units = [
            (run, part, contender) for run in range(options.runs) for part in parts for contender in contenders
            if part in contender.expected and run < rounds(contender, part)
        ]
        totals = {
            contender.name: sum(each.expected[part] for _, part, each in units if each is contender)
            for contender in contenders
        }
        say(f"expected: about {minutes(sum(totals.values()))}, of which "
            + ", ".join(f"{name} {minutes(seconds)}" for name, seconds in totals.items()))
        start = time.monotonic()
        # what was expected of the units so far, and what they took
        expected = taken = 0.0
        for number, (run, part, contender) in enumerate(units):
            if contender not in contenders:
                continue
            try:
                seconds = contender.run(part)
            except Failed as failure:
                contender.stop()
                contenders.remove(contender)
                drop(contender.name, failure)
                continue
            expected += contender.expected[part]
            taken += seconds
            left = sum(each.expected[name] for _, name, each in units[number + 1:] if each in contenders)
            say(f"[{number + 1}/{len(units)}] run {run + 1} of {rounds(contender, part)}, {part}: {contender.name} "
                f"{seconds:.3g} s; {minutes(time.monotonic() - start)} gone, about "
                f"{minutes(left * taken / max(expected, 1e-9))} left")
        for contender in contenders:
            report = contender.report()
            if not contender.is_ours:
                report["runs"] = contender.runs
            text = json.dumps(report, indent=2) + "\n"
            (options.folder / f"{contender.name}.json").write_text(text)
    except Failed as failure:
        sys.exit(str(failure))
    finally:
        for contender in contenders:
            contender.stop()


main()
