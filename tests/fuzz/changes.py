"""Changes that know nothing of a format but that it is bytes, text or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

Random: TypeAlias = np.random.Generator

#: What programs do not expect.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, 3, -1, -2, 7, 64, 255, 2**31 - 1, -(2**31), 2**32, 2**53, 2**63, -(2**63), 10**20),
    *(0.5, -0.5, 1e-8, -1e-3, 1e308, float("inf"), float("nan"), 0.0),
    *("", "x", "same", "valid", "linear", "relu", "float32", "N", "../x", "a\0b", "\ud800", "1", "__class__", ":0"),
    *([], {}, [0], [0, 0], [1, 2], [-1], [[1, 1], [1, 1]], [None, 3], [2**31], {"class_name": "Dense", "config": {}}),
)


def of_bytes(content: bytes, random: Random) -> bytes:
    """A copy that is cut short, or has some bytes changed, in places that are mostly metadata."""
    if len(content) < 16:
        return content + bytes(random.integers(0, 256, 3, np.uint8))
    kind = random.integers(5)
    if kind == 0:
        return content[: int(random.integers(1, len(content)))]
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 6))):
        place = int(random.integers(len(content)) if kind < 3 else random.integers(min(len(content), 4096)))
        changed[place] = int(random.choice([0, 1, 0x7F, 0x80, 0xFF, int(random.integers(256))]))
    if kind == 4 and len(content) > 64:  # a run from elsewhere, such as a block of metadata in the place of another
        size = int(random.integers(4, min(512, len(content) // 2)))
        here, there = (int(place) for place in random.integers(0, len(content) - size, 2))
        changed[here : here + size] = content[there : there + size]
    return bytes(changed)


def of_numbers(content: bytes, random: Random, word: int = 4) -> bytes:
    """Numbers of an array changed into others of its own, now and then into odd ones."""
    if len(content) < 2 * word:
        return content
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        here, there = (int(place) * word for place in random.integers(0, len(content) // word, 2))
        changed[here : here + word] = content[there : there + word]
    if random.random() < 0.1:
        changed[here : here + word] = bytes(random.integers(0, 256, word, np.uint8))
    return bytes(changed)


def of_text(text: str, random: Random) -> str:
    """A word of a text changed into another of its own, into an odd one, or left out; or bytes changed."""
    words = list(re.finditer(r"[\w.+-]+|\"[^\"\n]*\"", text))
    if not words or random.random() < 0.2:
        return of_bytes(text.encode("utf-8", "surrogatepass"), random).decode("utf-8", "replace")
    for _ in range(int(random.integers(1, 3))):
        here, there = (words[int(place)] for place in random.integers(0, len(words), 2))
        odd = str(ODD[int(random.integers(len(ODD)))])
        new = [there[0], odd, "", f"{here[0]}{here[0]}"][int(random.choice(4, p=[0.5, 0.2, 0.2, 0.1]))]
        text = text[: here.start()] + new + text[here.end() :]
        words = list(re.finditer(r"[\w.+-]+|\"[^\"\n]*\"", text)) or words[:1]
    return text


def of_json(text: str, random: Random) -> str:
    """A document with some of its values changed; now and then as a text."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return of_text(text, random)
    if random.random() < 0.05:
        return of_text(text, random)
    for _ in range(int(random.choice([1, 1, 2, 4]))):
        data = _changed(data, random)
    return json.dumps(data)


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key)."""
    waiting = [data]
    while waiting:
        part = waiting.pop()
        entries = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, value in entries:
            yield part, key
            waiting.append(value)


def _changed(data: Any, random: Random) -> Any:
    places = list(_places(data))
    if not places:
        return ODD[int(random.integers(len(ODD)))]
    part, key = places[int(random.integers(len(places)))]
    value, kind = part[key], random.choice(8, p=[0.25, 0.25, 0.15, 0.1, 0.05, 0.05, 0.1, 0.05])
    if kind == 0:
        part[key] = ODD[int(random.integers(len(ODD)))]
    elif kind == 1:
        part[key] = _near(value, random)
    elif kind == 2:  # another value of the document, of the same kind where there is one
        others = [p[k] for p, k in places if type(p[k]) is type(value)]
        part[key] = json.loads(json.dumps(others[int(random.integers(len(others)))]))
    elif kind == 3:
        del part[key]
    elif kind == 4 and isinstance(part, list):
        part.insert(key, json.loads(json.dumps(value)))
    elif kind == 5 and isinstance(part, list) and len(part) > 1:
        other = int(random.integers(len(part)))
        part[key], part[other] = part[other], part[key]
    elif kind == 6:
        part[key] = [value] if random.random() < 0.5 else {"value": value}
    elif isinstance(part, dict):
        part[f"{key}x"] = part.pop(key) if random.random() < 0.5 else value
    return data


def _near(value: Any, random: Random) -> Any:
    """A value that might stand there, too."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + int(random.choice([-1, 1, 2, value, -value]))
    if isinstance(value, float):
        return value * float(random.choice([0.5, 2, -1, 1e3]))
    if isinstance(value, str):
        return value[: int(random.integers(len(value) + 1))] if random.random() < 0.5 else value + "_1"
    if isinstance(value, list):
        return value[:-1] if random.random() < 0.5 else value + value[-1:]
    return 1 if value is None else None
