import random

from janus_nano import detector, language
from janus_nano.render import render
from janus_nano.world import HELD_OUT_PAIRS, KIND_WEIGHTS, is_held_out, sample_scene


def test_training_scenes_never_hold_a_held_out_pair_or_combination():
    r = random.Random(1)
    for _ in range(3000):
        scene = sample_scene(r)
        assert not is_held_out(scene)
        assert not {(t.colour, t.shape) for t in scene.things} & HELD_OUT_PAIRS


def test_no_training_question_names_a_held_out_pair():
    r = random.Random(2)
    for _ in range(3000):
        scene = sample_scene(r)
        texts = [language.caption(scene, r), language.description(scene)]
        for question in language.questions_about(scene, r, chinese=False).values():
            texts += [question.text, question.answer]
        for colour, shape in HELD_OUT_PAIRS:
            assert not any(f"{colour} {shape}" in text for text in texts)


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
