"""Curves, and state on disk that a killed run resumes from."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import torch


class Curve:
    """One JSON line a logged step, in `<folder>/<name>.jsonl`; `plot` turns it into a PNG."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.jsonl"
        self.started = time.monotonic()

    def log(self, step: int, **values: float) -> None:
        row = {"step": step, "seconds": round(time.monotonic() - self.started, 1)}
        row |= {key: round(float(value), 5) for key, value in values.items()}
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(self.path.stem, " ".join(f"{key}={value}" for key, value in row.items()), flush=True)


def save(path: Path, state: dict) -> None:
    """Whole or not at all: a kill while writing leaves the previous state."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load(path: Path) -> dict | None:
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


def plot(folder: Path, out: Path) -> None:
    """One picture with a panel for every curve in the folder; none where a run was too short to log."""
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(len(paths), 1, figsize=(9, 2.6 * len(paths)), squeeze=False)
    for panel, path in zip(panels[:, 0], paths, strict=True):
        rows = {row["step"]: row for line in path.read_text().splitlines() if (row := json.loads(line))}
        for key in sorted({key for row in rows.values() for key in row} - {"step", "seconds", "rate", "codes", "tokens"}):
            points = [(step, row[key]) for step, row in sorted(rows.items()) if key in row]
            panel.plot(*zip(*points, strict=True), label=key, linewidth=1)
        panel.set_title(path.stem, loc="left", fontsize=9)
        panel.set_xlabel("step", fontsize=8)
        panel.legend(fontsize=7, ncol=4)
        panel.grid(alpha=0.3)
        panel.set_yscale("symlog", linthresh=0.01)
    figure.tight_layout()
    figure.savefig(out, dpi=90)
