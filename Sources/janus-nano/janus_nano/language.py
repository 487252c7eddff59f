"""Captions of scenes, questions with their answers, and questions that need no picture; in English and some in Chinese."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

from .world import BACKGROUNDS, COLOURS, SHAPES, Scene, Thing, is_held_out, place, sample_scene

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NUMBERS_ZH = ("零", "一", "两", "三", "四", "五", "六", "七", "八", "九")
PLURALS = {shape: shape + ("es" if shape == "cross" else "s") for shape in SHAPES}
COLOURS_ZH = dict(zip(COLOURS, ("红色", "橙色", "黄色", "绿色", "青色", "蓝色", "紫色", "粉色"), strict=True))
SHAPES_ZH = dict(zip(SHAPES, ("圆形", "正方形", "三角形", "菱形", "十字", "圆环"), strict=True))
BACKGROUNDS_ZH = dict(zip(BACKGROUNDS, ("白色", "灰色", "黑色"), strict=True))
PLACES_ZH = {
    "center": "中间", "top": "上方", "bottom": "下方", "left": "左边", "right": "右边",
    "top left": "左上角", "top right": "右上角", "bottom left": "左下角", "bottom right": "右下角",
}  # fmt: skip
RELATIONS = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}
RELATIONS_ZH = {"left": "左边", "right": "右边", "above": "上面", "below": "下面"}
INVERSE = {"left": "right", "right": "left", "above": "below", "below": "above"}

#: Share of captions and conversations that are Chinese.
CHINESE = 0.15


@dataclass(frozen=True)
class Question:
    kind: str
    text: str
    answer: str


def a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def at(where: str) -> str:
    return {"center": "in the center", "top": "at the top", "bottom": "at the bottom", "left": "on the left", "right": "on the right"}.get(
        where, f"in the {where}"
    )


def named(thing: Thing) -> str:
    return f"{thing.colour} {thing.shape}"


def named_zh(thing: Thing) -> str:
    return f"{COLOURS_ZH[thing.colour]}{SHAPES_ZH[thing.shape]}"


def counted(things: tuple[Thing, ...], colour: bool = True) -> str:
    return " ".join(filter(None, (NUMBERS[len(things)], things[0].colour if colour else "", PLURALS[things[0].shape])))


def description(scene: Scene) -> str:
    """The one answer to "Describe this picture."."""
    first, background = scene.things[0], f"on a {scene.background} background"
    match scene.kind:
        case "single":
            return f"{a(named(first))} {at(place(first.x, first.y))} {background}"
        case "pair":
            second = scene.things[1]
            return f"{a(named(first))} {RELATIONS[scene.relation]} {a(named(second))} {background}"
        case "count":
            return f"{counted(scene.things)} {background}"
        case _:
            return f"the text {scene.text} {background}"


def description_zh(scene: Scene) -> str:
    first, background = scene.things[0], f"{BACKGROUNDS_ZH[scene.background]}背景上"
    match scene.kind:
        case "single":
            return f"{background}{PLACES_ZH[place(first.x, first.y)]}有一个{named_zh(first)}"
        case "pair":
            return f"{background}{named_zh(first)}在{named_zh(scene.things[1])}的{RELATIONS_ZH[scene.relation]}"
        case "count":
            return f"{background}有{NUMBERS_ZH[len(scene.things)]}个{named_zh(first)}"
        case _:
            return f"{background}有文字{scene.text}"


def either_side(scene: Scene, r: random.Random) -> tuple[Thing, Thing, str]:
    """A pair's things, and where the first returned stands, seen from the other: told from either side."""
    one, other = scene.things
    return (one, other, scene.relation) if r.random() < 0.5 else (other, one, INVERSE[scene.relation])


_OPENINGS = ("", "", "", "", "", "a photo of ", "a picture of ", "an image of ", "draw ", "please draw ", "show me ", "generate ")


def caption(scene: Scene, r: random.Random) -> str:
    """A prompt that the scene is a right picture of: from two words to all that there is to say."""
    if r.random() < CHINESE:
        return _caption_zh(scene, r)
    first, background = scene.things[0], r.choice(("", f" on a {scene.background} background", f" on {scene.background}"))
    opening = r.choice(_OPENINGS)
    match scene.kind:
        case "single":
            where = at(place(first.x, first.y))
            body = r.choice(
                (a(named(first)), a(named(first)), a(first.shape), f"one {named(first)}", f"{a(named(first))} {where}",
                 f"{a(named(first))} {where}", f"{a(first.shape)} {where}")
            )  # fmt: skip
        case "pair":
            # "and" names things in reading order, as people mostly do: what is said first is drawn first
            first, second = scene.things
            one, other, relation = either_side(scene, r)
            said = r.choice((RELATIONS[relation], f"{relation} of" if relation in ("left", "right") else relation))
            body = r.choice(
                (f"{a(named(first))} and {a(named(second))}", f"{a(named(first))} and {a(named(second))}", f"{a(first.shape)} and {a(second.shape)}",
                 f"{a(named(one))} {said} {a(named(other))}", f"{a(named(one))} {said} {a(named(other))}",
                 f"{a(one.shape)} {said} {a(other.shape)}")
            )  # fmt: skip
        case "count":
            body = counted(scene.things, colour=r.random() < 0.7)
        case _:
            text = r.choice((scene.text, f'"{scene.text}"'))
            body = r.choice((f"the text {text}", f"the letters {text}", f"the word {text}"))
    return opening + body + background + r.choice(("", "", "."))


def _caption_zh(scene: Scene, r: random.Random) -> str:
    if r.random() < 0.4:
        return description_zh(scene)
    opening, first = r.choice(("", "画", "请画")), scene.things[0]
    match scene.kind:
        case "single":
            return f"{opening}一个{named_zh(first)}"
        case "pair":
            return f"{opening}一个{named_zh(first)}和一个{named_zh(scene.things[1])}"
        case "count":
            return f"{opening}{NUMBERS_ZH[len(scene.things)]}个{named_zh(first)}"
        case _:
            return f"{opening}文字{scene.text}"


def _other(thing: Thing, r: random.Random) -> tuple[str, str]:
    """Another (colour, shape), differing in one of the two."""
    while True:
        pair = (r.choice(tuple(COLOURS)), thing.shape) if r.random() < 0.5 else (thing.colour, r.choice(SHAPES))
        if pair != (thing.colour, thing.shape):
            return pair


QUESTION_KINDS = ("describe", "color", "shape", "count", "position", "background", "yes/no", "read")


def questions_about(scene: Scene, r: random.Random, chinese: bool) -> dict[str, Question]:
    """One question of every kind that the scene has an answer to."""
    out: dict[str, tuple[str, str]] = {}
    first, count = scene.things[0], len(scene.things)
    say = (lambda english, zh: zh) if chinese else (lambda english, zh: english)
    pick = lambda english, zh: r.choice(zh if chinese else english)  # noqa: E731
    out["describe"] = (
        pick(("Describe this picture.", "Describe the image.", "What is in the picture?", "What do you see?"), ("描述这张图片。", "图片里有什么？")),
        say(description(scene), description_zh(scene)),
    )
    out["background"] = (
        pick(("What color is the background?", "What is the background color?"), ("背景是什么颜色？",)),
        say(scene.background, BACKGROUNDS_ZH[scene.background]),
    )
    colour_of = lambda thing: say(thing.colour, COLOURS_ZH[thing.colour])  # noqa: E731
    shape_of = lambda thing: say(thing.shape, SHAPES_ZH[thing.shape])  # noqa: E731
    match scene.kind:
        case "single":
            out["color"] = (
                pick((f"What color is the {first.shape}?", "What color is it?", "What color is the shape?"), (f"{SHAPES_ZH[first.shape]}是什么颜色？",)),
                colour_of(first),
            )
            out["shape"] = (pick(("What shape is it?", "What shape is this?", f"What shape is the {first.colour} thing?"), ("这是什么形状？",)), shape_of(first))
            where = place(first.x, first.y)
            out["position"] = (
                pick((f"Where is the {first.shape}?", f"Where is the {named(first)}?"), (f"{SHAPES_ZH[first.shape]}在哪里？",)),
                say(where, PLACES_ZH[where]),
            )
        case "pair":
            one, other, relation = either_side(scene, r)
            out["color"] = (pick((f"What color is the {one.shape}?",), (f"{SHAPES_ZH[one.shape]}是什么颜色？",)), colour_of(one))
            if one.colour != other.colour:
                out["shape"] = (
                    pick((f"What shape is the {one.colour} thing?", f"Which shape is {one.colour}?"), (f"{COLOURS_ZH[one.colour]}的是什么形状？",)),
                    shape_of(one),
                )
            out["position"] = (
                pick(
                    (f"Where is the {one.shape} relative to the {other.shape}?", f"Where is the {named(one)} relative to the {named(other)}?"),
                    (f"{SHAPES_ZH[one.shape]}在{SHAPES_ZH[other.shape]}的哪边？",),
                ),
                say(relation, RELATIONS_ZH[relation]),
            )
        case "count":
            out["color"] = (pick((f"What color are the {PLURALS[first.shape]}?", "What color are they?"), ("它们是什么颜色？",)), colour_of(first))
            out["shape"] = (pick(("What shape are they?",), ("它们是什么形状？",)), shape_of(first))
        case _:
            out["read"] = (pick(("What does the text say?", "Read the text."), ("文字写的是什么？",)), scene.text)
    if scene.kind != "text":
        number = say(NUMBERS[count], NUMBERS_ZH[count] + "个")
        asked = [("How many shapes are there?", "有几个形状？")]
        if scene.kind == "count":
            asked.append((f"How many {PLURALS[first.shape]} are there?", f"有几个{SHAPES_ZH[first.shape]}？"))
        english, zh = r.choice(asked)
        out["count"] = (say(english, zh), number)
        out["yes/no"] = _yes_no(scene, r, chinese)
    return {kind: Question(kind, *out[kind]) for kind in QUESTION_KINDS if kind in out}


def _yes_no(scene: Scene, r: random.Random, chinese: bool) -> tuple[str, str]:
    yes = r.random() < 0.5
    answer = ("是" if yes else "不是") if chinese else ("yes" if yes else "no")
    if scene.kind == "pair" and r.random() < 0.5:
        one, other, relation = either_side(scene, r)
        told = relation if yes else INVERSE[relation]
        if chinese:
            return f"{SHAPES_ZH[one.shape]}在{SHAPES_ZH[other.shape]}的{RELATIONS_ZH[told]}吗？", answer
        return f"Is the {one.shape} {RELATIONS[told]} the {other.shape}?", answer
    thing = r.choice(scene.things)
    colour, shape = thing.colour, thing.shape
    if not yes:
        present = {(t.colour, t.shape) for t in scene.things}
        while (pair := _other(thing, r)) in present:
            pass
        colour, shape = pair
    if chinese:
        return f"有{COLOURS_ZH[colour]}{SHAPES_ZH[shape]}吗？", answer
    return r.choice((f"Is there {a(f'{colour} {shape}')}?", f"Do you see {a(f'{colour} {shape}')}?")), answer


@dataclass(frozen=True)
class Fact:
    """What is said again of a thing that was told of; `value` is what the telling foretells."""

    before: str
    value: str


def recall(r: random.Random) -> tuple[str, list[Fact]]:
    """In-context recall: things told in one sentence, and facts of them that only a look back can give.

    A pre-trained language model can do that, and a fresh one learns it from little else than many such looks."""
    return _listing(r) if r.random() < 0.5 else _related(r)


def _verdict(true: bool) -> str:
    return " yes" if true else " no"


def _listing(r: random.Random) -> tuple[str, list[Fact]]:
    """Three to six things of different shapes and colours, each recalled once. No two of them are held out as a pair."""
    while True:
        count = r.randint(3, len(SHAPES))
        things = [Thing(*names, 0, 0) for names in zip(r.sample(SHAPES, count), r.sample(tuple(COLOURS), count), strict=True)]
        if not any(is_held_out(Scene("pair", "", pair)) for pair in itertools.combinations(things, 2)):
            break

    def asked(thing: Thing) -> Fact:
        colour = thing.colour if r.random() < 0.5 else r.choice([t.colour for t in things if t is not thing])
        return Fact(f" Is there {a(colour)} {thing.shape}?", _verdict(colour == thing.colour))

    ways = (
        lambda t: Fact(f" {a(t.colour)}", f" {t.shape}"),  # what followed once follows again: the look back that is learnt first
        lambda t: Fact(f" The {t.shape} is", f" {t.colour}"),
        lambda t: Fact(f" The {t.colour} thing is the", f" {t.shape}"),
        asked,
    )
    told = ", ".join(a(named(thing)) for thing in things)
    return told, [r.choice(ways)(thing) for thing in r.sample(things, count)]


def _related(r: random.Random) -> tuple[str, list[Fact]]:
    """A pair, and where its things stand, told from either side."""
    scene = sample_scene(r, "pair")

    def fact() -> Fact:
        one, other, relation = either_side(scene, r)
        if r.random() < 0.5:
            return Fact(f" The {one.shape} is", f" {RELATIONS[relation]}")
        said = relation if r.random() < 0.5 else INVERSE[relation]
        return Fact(f" Is the {one.shape} {RELATIONS[said]} the {other.shape}?", _verdict(said == relation))

    return description(scene), [fact() for _ in range(4)]


def text_question(r: random.Random) -> Question:
    """A question without a picture."""
    x, y = r.randrange(0, 6), r.randrange(0, 5)
    colour, shape = r.choice(tuple(COLOURS)), r.choice(SHAPES)
    word, zh = r.choice([*COLOURS_ZH.items(), *SHAPES_ZH.items()])
    relation = r.choice(tuple(INVERSE))
    sides = r.choice((("triangle", "three"), ("square", "four"), ("diamond", "four"), ("circle", "zero")))
    question, answer = r.choice(
        (
            (f"What is {NUMBERS[x]} plus {NUMBERS[y]}?", NUMBERS[x + y]),
            (f"What is {x} + {y}?", str(x + y)),
            (f"What comes after {NUMBERS[x]}?", NUMBERS[x + 1]),
            (f"Is {colour} a color or a shape?", "a color"),
            (f"Is {a(shape)} a color or a shape?", "a shape"),
            (f"What is {word} in Chinese?", zh),
            (f"What is {zh} in English?", word),
            (f"{zh}用英语怎么说？", word),
            (f"What is the opposite of {relation}?", INVERSE[relation]),
            (f"How many sides does a {sides[0]} have?", sides[1]),
            ("Who are you?", "I am janus-nano, a very small Janus."),
            ("你是谁？", "我是 janus-nano。"),
            ("What can you draw?", "Circles, squares, triangles, diamonds, crosses, rings and letters."),
            (r.choice(("Hello", "Hello!", "Hi")), "Hello! Ask me about a picture."),
        )
    )
    return Question("text", question, answer)
