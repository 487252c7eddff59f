import functools
import itertools
import random
from dataclasses import replace

import numpy as np
import pytest

from janus_nano import detector, evaluate, language, score
from janus_nano.render import render
from janus_nano.world import COLOURS, KIND_WEIGHTS, Scene, Thing, is_held_out, place, sample_scene


def test_training_scenes_never_hold_a_held_out_combination():
    r = random.Random(1)
    for _ in range(3000):
        assert not is_held_out(sample_scene(r))


def test_two_things_are_held_out_in_every_order_and_relation():
    r = random.Random(2)
    for _ in range(300):
        scene = sample_scene(r, "pair", held_out=True)
        one, other = scene.things
        assert is_held_out(replace(scene, things=(replace(other, x=one.y, y=one.x), replace(one, x=other.y, y=other.x))))


def test_every_kind_of_scene_has_both_sides():
    r = random.Random(3)
    for kind in KIND_WEIGHTS:
        assert not is_held_out(sample_scene(r, kind))
        assert is_held_out(sample_scene(r, kind, held_out=True))


def test_the_detector_reads_rendered_truth():
    r = random.Random(4)
    for held_out in (False, True):
        for kind in KIND_WEIGHTS:
            scenes = [sample_scene(r, kind, held_out) for _ in range(400)]
            right = sum(detector.agrees(detector.read(render(scene)[0]), scene) for scene in scenes)
            assert right >= 0.99 * len(scenes), (kind, held_out, right)


def test_the_detector_refuses_what_is_not_there():
    r = random.Random(5)
    for _ in range(300):
        scene, other = sample_scene(r), sample_scene(r)
        if (scene.background, scene.things) != (other.background, other.things):
            assert not detector.agrees(detector.read(render(scene)[0]), other)


def test_places_and_relations_that_the_detector_measures_are_the_scenes():
    r = random.Random(6)
    for _ in range(300):
        scene = sample_scene(r, "pair")
        reading = detector.read(render(scene)[0])
        one, other = (next(f for f in reading.things if (f.shape, f.colour) == (t.shape, t.colour)) for t in scene.things)
        assert detector.relation(one, other) == scene.relation


def test_what_is_recalled_is_what_was_told_and_never_a_held_out_pair():
    r = random.Random(7)
    for _ in range(500):
        told, facts = language.recall(r)
        shapes = {words[2]: words[1] for words in (part.split()[:3] for part in told.split(", ")) if len(words) == 3}
        for fact in facts:
            words, value = fact.before.strip(" ?").split(), fact.value.strip()
            if value in shapes and words[0] in ("a", "an", "The"):  # a shape by its colour
                assert shapes[value] == words[1]
            elif words[0] == "The" and value in COLOURS:
                assert shapes[words[1]] == value
            elif words[:2] == ["Is", "there"]:
                assert (shapes[words[4]] == words[3]) == (value == "yes")
        things = [Thing(shape, colour, 0, 0) for shape, colour in shapes.items()]
        for pair in itertools.combinations(things, 2):
            assert not is_held_out(Scene("pair", "", pair)), told


def test_the_scorer_asks_only_for_what_training_held_out():
    for column in score.DRAWING_COLUMNS:
        for task in score.drawing_tasks(column, 50, seed=1):
            named = [(colour, shape) for colour, shape in task.wanted if colour]
            scene = next((s for s in _training_scenes() if sorted((t.colour, t.shape) for t in s.things) == sorted(named)), None)
            assert scene is None or column in ("single object", "two objects", "colors")
            if column == "colors":
                assert not any(s.things[0] and _says(s) == (*named[0], task.place) for s in _training_scenes() if s.kind == "single")


@functools.cache
def _training_scenes():
    r = random.Random(7)
    return tuple(sample_scene(r) for _ in range(3000))


def _says(scene):
    thing = scene.things[0]
    return thing.colour, thing.shape, place(thing.x, thing.y)


def test_a_right_picture_is_judged_right_and_a_wrong_one_wrong():
    r = random.Random(8)
    scene = sample_scene(r, "pair", held_out=True)
    one, other = scene.things
    wanted = ((one.colour, one.shape), (other.colour, other.shape))
    picture = render(scene)[0]
    assert score.judge(score.DrawingTask("position", "", wanted, relation=scene.relation), picture)
    assert not score.judge(score.DrawingTask("position", "", wanted, relation=language.INVERSE[scene.relation]), picture)
    assert not score.judge(score.DrawingTask("colors", "", wanted[:1]), picture)


def test_pictures_that_are_missing_are_an_error_and_no_score():
    class Silent:
        def draw(self, prompts, images, guidance, seed):
            return np.zeros((len(prompts) * images - 1, 64, 64, 3), np.uint8)

    with pytest.raises(ValueError, match="single object: 5 pictures of 3 prompts with 2 each"):
        evaluate.drawing(Silent(), 1.0, prompts=3, images=2, seed=1)
