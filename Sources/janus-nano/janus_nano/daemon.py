"""python -m janus_nano.daemon: the scorer's tables of a running janusd, rows in, pictures and answers out. Needs no torch."""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

import numpy as np
import psycopg
from PIL import Image
from tqdm import tqdm

from . import evaluate

ANSWER_TOKENS_MAX = 64
POLL_SECONDS = 0.2
IN_FLIGHT_MAX = 200  # jobs: what a private queue holds without standing in anyone's way


class Daemon:
    """A janusd, reached by its database. `model` is a name that it serves."""

    def __init__(self, database: str, model: str) -> None:
        self.connection = psycopg.connect(database, autocommit=True)
        self.model = model

    def draw(self, prompts: list[str], images: int, guidance: float, seed: int) -> np.ndarray:
        """uint8 [prompts · images,64,64,3], the images of one prompt side by side."""
        jobs = [
            ("SELECT janus.generate(%s, images => %s::int, cfg_weight => %s::real, seed => %s, model => %s)", (p, images, guidance, seed + i, self.model))
            for i, p in enumerate(prompts)
        ]
        pictures = []
        for job in self._run(jobs):
            for index in range(images):
                (data,) = self.connection.execute("SELECT janus.output(%s, %s::int)", (job, index)).fetchone()
                pictures.append(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
        return np.stack(pictures)

    def answer(self, questions: list[str], pictures: list[np.ndarray] | None) -> list[str]:
        """Greedy answers; every question with a picture, or none."""
        jobs = []
        for i, question in enumerate(questions):
            data = [] if pictures is None else [_png(pictures[i])]
            jobs.append(
                ("SELECT janus.understand(%s, image_data => %s::bytea[], max_tokens => %s::int, model => %s)", (question, data, ANSWER_TOKENS_MAX, self.model))
            )
        return [self.connection.execute("SELECT text FROM janus.status(%s)", (job,)).fetchone()[0] for job in self._run(jobs)]

    def _run(self, jobs: list[tuple[str, tuple]]) -> list[int]:
        """Their ids, once all have succeeded."""
        ids: list[int] = []
        with tqdm(total=len(jobs), unit="job", leave=False) as bar:
            for first in range(0, len(jobs), IN_FLIGHT_MAX):
                with self.connection.transaction():
                    some = [self.connection.execute(*job).fetchone()[0] for job in jobs[first : first + IN_FLIGHT_MAX]]
                ids += some
                done = 0
                while done < len(some):
                    time.sleep(POLL_SECONDS)
                    states = self.connection.execute("SELECT id, state, error FROM janus.jobs WHERE id = ANY(%s)", (some,)).fetchall()
                    if bad := [row for row in states if row[1] in ("failed", "canceled")]:
                        raise SystemExit(f"job {bad[0][0]} {bad[0][1]}: {bad[0][2]}")
                    ended = sum(state == "succeeded" for _, state, _ in states)
                    bar.update(ended - done)
                    done = ended
        return ids


def _png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(prog="janus_nano.daemon", description=__doc__)
    parser.add_argument("--database", required=True, help="a libpq string of a role that may call janus.generate and janus.understand")
    parser.add_argument("--model", default="janus-nano", help="its name in janusd")
    parser.add_argument("--guidance", type=float, required=True, help="cfg_weight of every picture")
    parser.add_argument("--prompts", type=int, default=50, help="of each column, on held-out combinations")
    parser.add_argument("--images", type=int, default=4, help="of each prompt")
    parser.add_argument("--questions", type=int, default=100, help="of each kind, about held-out scenes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="writes a contact sheet there: eight prompts of each column")
    arguments = parser.parse_args()
    performer = Daemon(arguments.database, arguments.model)
    if arguments.prompts:
        print(evaluate.tables(performer, "janusd", arguments.guidance, arguments.prompts, arguments.images, arguments.questions, arguments.seed))
    if arguments.sheet:
        evaluate.contact_sheet(performer, arguments.guidance, arguments.seed, arguments.sheet)


if __name__ == "__main__":
    main()
