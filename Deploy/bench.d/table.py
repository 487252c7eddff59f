#!/usr/bin/env python3
"""The table of a run: `table.py [--markdown] FOLDER`. FOLDER holds run.json (what was asked for), janus-PRECISION.json (`janus-model
bench`), and of the peers transformers.json, llama-KIND.json, ik-llama-KIND.json and openvino-KIND.json, each with "runs": seconds by
key. A ratio is how many times as fast we are, median by median.

Exit status 1 where something that was asked for is missing, was run too seldom or is no number that can be; a target that is missed
is only said."""

import argparse, collections, json, math, pathlib, sys

import shapes

options = argparse.ArgumentParser()
options.add_argument("folder", type=pathlib.Path)
options.add_argument("--markdown", action="store_true", help="as README has it")
options = options.parse_args()

LEGEND = (
    "whole: measured from the jobs' handing over to their end; part: a part of that, measured; median (least–most) of the runs; "
    "of floor: the floor, modelled from the ceilings measured in the run, over the median; ×: the peer's median over ours"
)
# what a precision must reach: times transformers, times the best of the llama family, percent of the floor
TARGETS = {
    "1b": {
        ("image", "int8"): (4.2, None, 75), ("image", "int4"): (5.5, None, 60), ("images", "int8"): (4.0, None, 60),
        ("answer_step", "int8"): (7.0, 1.2, 75), ("answer_step", "int4"): (9.0, 1.2, 60),
        ("answers_step", "int8"): (None, 2.0, 50), ("prefill", "int8"): (2.5, 1.5, 50),
        ("vision", "int8"): (1.5, None, 55), ("vq", "int8"): (1.6, None, 55),
    },
    "7b": {("image", "int8"): (4.0, None, 75)},
}
MEMORY_MAX = {("7b", "int8"): 12e9}
# a decoding step is held against the family at the same bits, the rest against its best
SAME_BITS = {("answer_step", "int8"): "-q8_0", ("answer_step", "int4"): "-q4_0"}
# what README promises
RUNS_MIN, PEER_RUNS_MIN = 5, 3
# A floor may lie somewhat above the median, where others took bandwidth while the ceilings were measured; not so much.
FLOOR_PERCENT_MAX = 200
gaps: list[str] = []


def gap(text: str) -> None:
    gaps.append(text)


def read(name: str, is_wanted: bool = True):
    """The file's contents; None, and a gap, where it is wanted and not there."""
    file = options.folder / f"{name}.json"
    if not file.exists():
        if is_wanted:
            failed = options.folder / f"{name}.failed"
            gap(failed.read_text().strip() if failed.exists() else f"{name} was not measured")
        return None
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        gap(f"{file.name} is no JSON: {error}")
        return None


def is_positive(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


Kind = collections.namedtuple("Kind", "words holds")
TEXT = Kind("a text", lambda value: isinstance(value, str) and value != "")
POSITIVE = Kind("a positive number", is_positive)
COUNT = Kind("a count", lambda value: type(value) is int and value >= 0)
# 0 where the processor has no such instructions
RATE = Kind("a number of at least 0", lambda value: is_positive(value) or type(value) in (int, float) and value == 0)
LIST = Kind("a list", lambda value: isinstance(value, list))
ANY = Kind("there", lambda value: True)
CEILINGS = {"readGBPerSecond": POSITIVE, "int8GOPPerSecond": RATE, "bf16GOPPerSecond": RATE, "f32GOPPerSecond": RATE}
REPORT = {
    "shape": TEXT, "threads": COUNT, "isa": TEXT, "kv_bytes_per_position": POSITIVE, "ceilings_before": CEILINGS,
    "ceilings_after": CEILINGS, "memory": {"high_water": POSITIVE}, "runs_discarded": COUNT, "cases": ANY,
    "parts": [{"key": TEXT, "name": TEXT, "measured": TEXT, "count": POSITIVE, "runs": LIST}],
}
REQUEST = {"precisions": [TEXT], "peers": [TEXT], "parts": [TEXT], "others": [TEXT]}
SHARING = {"workers": POSITIVE, "proportional": POSITIVE, "pack": POSITIVE, "cache": POSITIVE, "limit": POSITIVE}


def is_sound(place: str, value, kind) -> bool:
    """Whether a value is what it must be; each thing that it is not is a gap."""
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            gap(f"{place} is {value}, not an object")
            return False
        lacking = [key for key in kind if key not in value]
        for key in lacking:
            gap(f"{place} has no {key}")
        return not lacking and all([is_sound(f"{place}: {key}", value[key], inner) for key, inner in kind.items()])
    if isinstance(kind, list):
        if not isinstance(value, list):
            gap(f"{place} is {value}, not a list")
            return False
        return all([is_sound(f"{place} {number}", each, kind[0]) for number, each in enumerate(value)])
    if not kind.holds(value):
        gap(f"{place} is {value}, not {kind.words}")
        return False
    return True


class Runs:
    """The runs of one figure by one contender."""

    def __init__(self, seconds: list[float]):
        ordered = sorted(seconds)
        self.count = len(ordered)
        self.least, self.most = ordered[0], ordered[-1]
        # of an even number, the mean of the middle two
        self.median = (ordered[(self.count - 1) // 2] + ordered[self.count // 2]) / 2

    def __str__(self) -> str:
        if self.count == 1:
            return f"{short(self.median)} (one run)"
        return f"{short(self.median)} ({short(self.least)}–{short(self.most)})"


def short(seconds: float) -> str:
    """Three digits or more."""
    return f"{seconds:#.3g}".rstrip(".") if seconds < 1000 else f"{seconds:.0f}"


def runs_of(name: str, seconds: dict, key: str) -> Runs | None:
    """None where there is none; where one is no number, or they are too few, that is a gap."""
    runs = seconds.get(key)
    if not runs:
        return None
    if not isinstance(runs, list) or not all(is_positive(value) for value in runs):
        gap(f"{name}: {key} has a run that is no positive number: {runs}")
        return None
    least = RUNS_MIN if name.startswith("janus-") else PEER_RUNS_MIN
    if len(runs) < least:
        gap(f"{name}: runs of {key}: {len(runs)}, expected at least {least}")
    return Runs(runs)


def measured(name: str, report: dict | None) -> dict[str, Runs]:
    """By key, what is measured and sound."""
    if report is None or not is_sound(name, report, {"runs": {}}):
        return {}
    seconds = report["runs"]
    found = {key: runs_of(name, seconds, key) for key in seconds}
    return {key: runs for key, runs in found.items() if runs}


def rate(part: dict, median: float) -> str:
    if part["key"] in ("image", "images"):
        return f"{short(median / part['count'])} s an image" if part["count"] > 1 else ""
    return f"{part['tokens'] / median:.1f} tok/s" if is_positive(part.get("tokens")) else ""


def fastest(peers: dict[str, dict[str, Runs]], key: str) -> tuple[str, float] | None:
    """Who has the least median, and that."""
    found = {name: runs[key].median for name, runs in peers.items() if key in runs}
    name = min(found, key=found.get, default=None)
    return None if name is None else (name, found[name])


class Ratio:
    """How many times as fast we are as a peer."""

    def __init__(self, ours: float, theirs: float, name: str, target: float | None):
        self.value = theirs / ours
        self.name = name.replace("llama-", "").removeprefix("openvino-")
        self.target = target
        self.is_missed = target is not None and self.value < target

    def __str__(self) -> str:
        return f"{self.value:.2f}×" + (f" {self.name}" if self.name else "")

    def with_target(self) -> str:
        return str(self) + (f" (≥ {self.target:g})" if self.target else "")

    def with_verdict(self) -> str:
        return str(self) + (f" (missed: ≥ {self.target:g})" if self.is_missed else "")


class Row:
    """One figure of ours beside the peers'."""

    def __init__(self, part: dict, precision: str, shape: str):
        self.part = part
        key = part["key"]
        times, family_times, self.percent = TARGETS.get(shape, {}).get((key, precision), (None, None, None))
        self.runs = runs_of(f"janus-{precision}", {key: part["runs"]}, key)
        self.rate, self.share, self.ratios = "", None, {}
        if self.runs is None:
            if not part["runs"]:
                gap(f"janus-{precision}: {key} has no run")
            return
        self.rate = rate(part, self.runs.median)
        floor = part.get("floor_seconds")
        if not is_positive(floor):
            gap(f"janus-{precision}: the floor of {key} is {floor}, not a positive number")
        elif 100 * floor > FLOOR_PERCENT_MAX * self.runs.median:
            gap(f"janus-{precision}: the floor of {key} is {floor:g} s, more than {FLOOR_PERCENT_MAX} % of the median of "
                f"{short(self.runs.median)} s: the ceilings cannot be those of this run")
        else:
            self.share = 100 * floor / self.runs.median
            if self.share > 100:
                notes.append(f"janus-{precision}: the floor of {key} lies above the median ({self.share:.0f} %): while the "
                             "ceilings were measured there was less bandwidth than during the runs")
        bits = SAME_BITS.get((key, precision), "")
        if key in transformers:
            self.compare("transformers", ("", transformers[key].median), times)
        self.compare(
            "llama", fastest({name: runs for name, runs in families.items() if name.endswith(bits)}, key), family_times)
        self.compare("OpenVINO", fastest(openvino, key), None)

    def compare(self, family: str, peer: tuple[str, float] | None, target: float | None) -> None:
        if peer:
            self.ratios[family] = Ratio(self.runs.median, peer[1], peer[0], target)

    def ratio(self, family: str) -> str:
        return self.ratios[family].with_target() if family in self.ratios else "–"

    def of_floor(self) -> str:
        return "–" if self.share is None else f"{self.share:.0f} %"

    def misses_floor(self) -> bool:
        return self.percent is not None and self.share is not None and self.share < self.percent

    def missed(self) -> list[str]:
        missed = [family for family, ratio in self.ratios.items() if ratio.is_missed]
        return missed + (["floor"] if self.misses_floor() else [])


notes: list[str] = []
wanted = read("run")
if not is_sound("run.json", wanted, REQUEST):
    wanted = {}
elif not wanted["parts"]:
    gap("run.json asks for no part")
is_wanted = "transformers" in wanted.get("peers", ())
peer = read("transformers", is_wanted)
transformers = measured("transformers", peer)
if is_wanted and peer is not None:
    for part in wanted.get("parts", ()):
        if part not in transformers:
            gap(f"transformers: {part} is not measured")
files = {path.stem for pattern in ("*llama-*.json", "openvino-*.json") for path in options.folder.glob(pattern)}
others = {name: measured(name, read(name)) for name in sorted(files | set(wanted.get("others", ())))}
for name in wanted.get("others", ()):
    # one that is not there at all is a gap already
    for part, key in shapes.LANGUAGE_PARTS.items():
        if others[name] and part in wanted["parts"] and key not in others[name]:
            gap(f"{name}: {key} is not measured")
others = {name: runs for name, runs in others.items() if runs}
families = {name: runs for name, runs in others.items() if "llama" in name}
openvino = {name: runs for name, runs in others.items() if name.startswith("openvino")}
reports: dict[str, dict] = {}
tables: dict[str, list[Row]] = {}
for precision in wanted.get("precisions", ()):
    report = read(f"janus-{precision}")
    if report is None or not is_sound(f"janus-{precision}", report, REPORT):
        continue
    if report["cases"] != shapes.CASES:
        gap(f"janus-{precision} ran other cases than its peers: {report['cases']} instead of {shapes.CASES}")
    keys = [part["key"] for part in report["parts"]]
    for part in wanted.get("parts", ()):
        if part not in keys:
            gap(f"janus-{precision}: {part} is not measured")
    reports[precision] = report
    tables[precision] = [Row(part, precision, report["shape"]) for part in report["parts"]]


def ceilings(report: dict) -> str:
    best = {
        key: max(report[when][key] for when in ("ceilings_before", "ceilings_after"))
        for key in report["ceilings_before"]
    }
    rates = ", ".join(f"{name} {best[f'{name}GOPPerSecond']:.0f}" if best[f"{name}GOPPerSecond"] else f"{name} without"
                      for name in ("int8", "bf16", "f32"))
    return f"{best['readGBPerSecond']:.1f} GB/s, {rates} GOP/s"


def print_text() -> None:
    widths = [40, 5, 22, 16, 13, 22, 16, 20, 15]

    def line(*cells: str) -> None:
        padded = [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths))]
        print("  ".join([*padded, *cells[len(widths):]]).rstrip())

    for precision, rows in tables.items():
        report = reports[precision]
        print(f"\n{report['shape']} {precision}, {report['threads']} threads, {report['isa']}; ceilings "
              f"{ceilings(report)}; keys and values {report['kv_bytes_per_position'] / 1024:.0f} KiB a token and row")
        line("", "", "janusd, seconds", "rate", "of floor", "transformers, seconds", "×", "× best llama.cpp",
             "× best OpenVINO")
        for row in rows:
            missed = row.missed()
            line(row.part["name"], row.part["measured"], str(row.runs or "not measured"), row.rate,
                 row.of_floor() + (f" (≥ {row.percent})" if row.percent else ""),
                 str(transformers.get(row.part["key"], "–")), row.ratio("transformers"), row.ratio("llama"),
                 row.ratio("OpenVINO"), f"missed: {', '.join(missed)}" if missed else "")
        memory_max = MEMORY_MAX.get((report["shape"], precision))
        memory = report["memory"]["high_water"]
        print(f"memory at most {memory / 1e9:.2f} GB" + (f" (< {memory_max / 1e9:g})" if memory_max else "")
              + ("  missed" if memory_max and memory >= memory_max else ""))
        if report["runs_discarded"]:
            print(f"runs thrown away, because an answer ended early: {report['runs_discarded']}")
    for name, runs in others.items():
        print(f"{name}, seconds: " + ", ".join(f"{key} {each}" for key, each in runs.items()))
    print(f"\n{LEGEND}")


def print_markdown() -> None:
    compared = [family for family in ("transformers", "llama", "OpenVINO")
                if any(family in row.ratios for rows in tables.values() for row in rows)]
    header = ["", "measured"]
    for precision in tables:
        header += [f"{precision}, s", "of floor", *(f"× {family}" for family in compared)]
    header.append("transformers bf16, s")
    print("| " + " | ".join(header) + " |")
    print("| " + " | ".join("---" for _ in header) + " |")
    names = {row.part["key"]: row.part for rows in tables.values() for row in rows}
    for key, part in names.items():
        cells = [part["name"], part["measured"]]
        for rows in tables.values():
            row = next((row for row in rows if row.part["key"] == key), None)
            if row is None or row.runs is None:
                cells += ["not measured", *("–" for _ in range(1 + len(compared)))]
                continue
            cells += [str(row.runs) + (f", {row.rate}" if row.rate else ""),
                      row.of_floor() + (f" (missed: ≥ {row.percent})" if row.misses_floor() else ""),
                      *(row.ratios[family].with_verdict() if family in row.ratios else "–" for family in compared)]
        theirs = transformers.get(key)
        cells.append(f"{theirs}" + (f", {theirs.count} runs" if theirs.count > 1 else "") if theirs else "–")
        print("| " + " | ".join(cells) + " |")
    for precision, report in reports.items():
        counts = sorted({len(part["runs"]) for part in report["parts"]})
        print(f"\n{precision}: {' or '.join(map(str, counts)) or 'no'} runs, {report['threads']} threads, {report['isa']}, "
              f"ceilings {ceilings(report)}; memory at most {report['memory']['high_water'] / 1e9:.2f} GB.")
    print(f"\n{LEGEND[0].upper()}{LEGEND[1:]}.")


(print_markdown if options.markdown else print_text)()
missed = sum(bool(row.missed()) for rows in tables.values() for row in rows)
missed += sum(
    report["memory"]["high_water"] >= MEMORY_MAX.get((report["shape"], precision), math.inf)
    for precision, report in reports.items())
sharing = read("memory", wanted.get("memory", False))
if sharing is not None and is_sound("memory.json", sharing, SHARING):
    print(f"\n{sharing['workers']} processes on one pack: proportional memory {sharing['proportional'] / 1e9:.2f} GB; pack "
          f"{sharing['pack'] / 1e9:.2f} GB + keys and values {sharing['cache'] / 1e9:.2f} GB + 15 % = "
          f"{sharing['limit'] / 1e9:.2f} GB" + ("" if sharing["proportional"] <= sharing["limit"] else "  missed"))
    missed += sharing["proportional"] > sharing["limit"]
print(f"\nmissed targets: {missed} of what was measured")
if not any(tables.values()):
    gap("nothing of janusd was measured")
for text in notes:
    print(f"note: {text}")
for text in gaps:
    print(f"missing: {text}")
sys.exit(1 if gaps else 0)
