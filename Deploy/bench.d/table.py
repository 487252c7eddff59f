"""The table of a run: `table.py FOLDER`, which holds janus-PRECISION.json (`janus-model bench --json`), transformers.json,
llama-KIND.json, ik-llama-KIND.json and openvino-KIND.json where they were measured. A ratio is how many times as fast we are."""

import json, pathlib, sys

folder = pathlib.Path(sys.argv[1])


def read(name: str):
    file = folder / name
    return json.loads(file.read_text()) if file.exists() and file.stat().st_size else None


transformers = read("transformers.json")
openvino = {path.stem: read(path.name) for path in sorted(folder.glob("openvino-*.json")) if path.stat().st_size}
families = {path.stem: read(path.name) for path in sorted(folder.glob("*llama-*.json")) if path.stat().st_size}
# what a precision must reach: times transformers, times the best of the llama family, percent of the floor
TARGETS = {
    "1b": {
        ("image", "int8"): (4.2, None, 75), ("image", "int4"): (5.5, None, 60), ("images", "int8"): (4.0, None, 60),
        ("decode", "int8"): (7.0, 1.2, 75), ("decode", "int4"): (9.0, 1.2, 60), ("texts", "int8"): (None, 2.0, 50),
        ("prefill", "int8"): (2.5, 1.5, 50), ("vision", "int8"): (1.5, None, 55), ("vq", "int8"): (1.6, None, 55),
    },
    "7b": {("image", "int8"): (4.0, None, 75)},
}
# a decoding step is held against the family at the same bits, the rest against its best
SAME_BITS = {("decode", "int8"): "-q8_0", ("decode", "int4"): "-q4_0"}
WIDTHS = [40, 8, 8, 12, 14, 21, 15, 6]


def line(*cells: object) -> str:
    return "  ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(cells, WIDTHS)))


def ratio(theirs, ours, target) -> tuple[str, bool]:
    if theirs is None:
        return "", True
    value = theirs / ours
    return f"{value:.2f}×" + (f" (≥ {target:g})" if target else ""), target is None or value >= target


def fastest(peers: dict, names, key: str) -> tuple[str, float | None]:
    """Who does it in the least time of those that do it at all."""
    found = {name: peers[name][key]["seconds"] for name in names if key in (peers.get(name) or {})}
    name = min(found, key=found.get, default="")
    return name, found.get(name)


missed = 0
for precision in ("int8", "int4", "bf16"):
    report = read(f"janus-{precision}.json")
    if report is None:
        continue
    best = {
        key: max(report[when][key] for when in ("ceilings_before", "ceilings_after"))
        for key in report["ceilings_before"]
    }
    print(f"\n{report['shape']} {precision}, {report['threads']} threads, {report['isa']}; ceilings "
          f"{best['readGBPerSecond']:.1f} GB/s, int8 {best['int8GOPPerSecond']:.0f}, "
          f"bf16 {best['bf16GOPPerSecond']:.0f}, f32 {best['f32GOPPerSecond']:.0f} GOP/s; keys and values "
          f"{report['kv_bytes_per_position'] // 1024} KiB a token and row")
    print(line("", "seconds", "tok/s", "of floor", "transformers", "best llama.cpp", "best OpenVINO"))
    for part in report["parts"]:
        key = part["key"]
        times, family_times, percent = TARGETS.get(report["shape"], {}).get((key, precision), (None, None, None))
        share = 100 * part["floor_seconds"] / part["seconds"]
        fraction = f"{share:.0f} %" + (f" (≥ {percent})" if percent else "")
        theirs = transformers and transformers.get(key, {}).get("seconds")
        against, reached = ratio(theirs, part["seconds"], times)
        names = [name for name in families if name.endswith(SAME_BITS.get((key, precision), ""))]
        nearest, seconds = fastest(families, names, key)
        against_family, reached_family = ratio(seconds, part["seconds"], family_times)
        against_family += nearest and f" {nearest.replace('llama-', '')}"
        nearest, seconds = fastest(openvino, openvino, key)
        against_openvino = ratio(seconds, part["seconds"], None)[0] + (nearest and f" {nearest.removeprefix('openvino-')}")
        verdict = "missed" if not (reached and reached_family and (not percent or share >= percent)) else ""
        missed += verdict != ""
        rate = f"{part['tokens'] / part['seconds']:.1f}" if part.get("tokens") else ""
        print(line(part["name"], f"{part['seconds']:.4f}" if part["seconds"] < 1 else f"{part['seconds']:.2f}", rate,
                   fraction, against, against_family, against_openvino, verdict))
    print(f"memory at most {report['memory']['high_water'] / 1e9:.2f} GB"
          + (" (< 12)" if (report["shape"], precision) == ("7b", "int8") else ""))

if transformers:
    print("\npeers, seconds: transformers bf16 " + ", ".join(f"{k} {v['seconds']:.4g}" for k, v in transformers.items()))
for name, found in (families | openvino).items():
    print(f"peers, seconds: {name} " + ", ".join(f"{k} {v['seconds']:.4g}" for k, v in found.items()))
sharing = read("memory.json")
if sharing:
    print(f"\n{sharing['workers']} processes on one pack: proportional memory {sharing['proportional'] / 1e9:.2f} GB; pack "
          f"{sharing['pack'] / 1e9:.2f} GB + keys and values {sharing['cache'] / 1e9:.2f} GB + 15 % = "
          f"{sharing['limit'] / 1e9:.2f} GB" + ("" if sharing["proportional"] <= sharing["limit"] else "  missed"))
    missed += sharing["proportional"] > sharing["limit"]
print(f"\n{missed} missed" if missed else "\nnothing missed of what was measured")
