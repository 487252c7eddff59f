"""Keeps in FOLDER/run.json what was asked for: `request.py FOLDER --shape 1b --parts "vq image" …`. Results that lie there are taken
over by Deploy/bench, so a folder of another request is refused. Contenders may come and go: each has files of its own."""

import argparse, json, pathlib, sys

options = argparse.ArgumentParser()
options.add_argument("folder", type=pathlib.Path)
# what every result depends on
for name in ("images", "text", "runs", "peer-images", "threads"):
    options.add_argument(f"--{name}", type=int, required=True)
options.add_argument("--shape", required=True)
options.add_argument("--parts", type=str.split, required=True)
for name in ("precisions", "peers", "others"):
    options.add_argument(f"--{name}", type=str.split, required=True)
options.add_argument("--memory", choices=("yes", "no"), required=True)
request = vars(options.parse_args())
folder = request.pop("folder")
request["memory"] = request["memory"] == "yes"
SAME = ("shape", "parts", "images", "text", "runs", "peer_images", "threads")

file = folder / "run.json"
if any(folder.glob("*.json")):
    try:
        earlier = json.loads(file.read_text())
        differences = [
            f"--{'only' if name == 'parts' else name.replace('_', '-')}: {earlier.get(name)} there, {request[name]} now"
            for name in SAME if earlier.get(name) != request[name]
        ]
    except FileNotFoundError:
        differences = ["there are results without a run.json"]
    except (ValueError, AttributeError) as error:
        differences = [f"run.json cannot be read: {error}"]
    if differences:
        sys.exit(f"{folder} holds results of another request; name another folder. " + "; ".join(differences))
file.write_text(json.dumps(request) + "\n")
