"""Pages of HTML that need nothing else. Every name comes from a foreign file: all of it goes through `text`, and the
page's policy allows its own script alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from math import log1p
from pathlib import Path

_HERE = Path(__file__).parent


def document(title: str, name: str, body: Iterable[str]) -> str:
    """A page with the style and the script ``NAME.css`` and ``NAME.js``, after the style of every page."""
    script = (_HERE / f"{name}.js").read_text(encoding="utf-8")
    style = "".join((_HERE / f"{part}.css").read_text(encoding="utf-8") for part in ("page", name))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title>",
            f"<style>\n{style}</style></head><body><main>",
            *body,
            f"</main><script>{script}</script></body></html>\n",
        ]
    )


def text(what: object) -> str:
    """Foreign text for the page: no markup, and no character that is not printed."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(what))
    return escape(shown, quote=True)


def named(name: str) -> str:
    """A name of a file's."""
    return f'<span class="name">{text(name)}</span>'


def dim(what: object) -> str:
    """What is read second."""
    return f'<span class="dim">{text(what)}</span>'


def figure(made: str, *captions: str) -> str:
    """A picture and what stands below it."""
    said = "".join(f"<span>{text(caption)}</span>" for caption in captions)
    return f"<figure>{made}<figcaption>{said}</figcaption></figure>"


def drawing(label: str, paths: str, width: int) -> str:
    """Paths in a box 100 high that is stretched to its place."""
    shape = f'viewBox="0 0 {width} 100" preserveAspectRatio="none"'
    return f'<svg {shape} role="img" aria-label="{text(label)}">{paths}</svg>'


def steps(counts: Sequence[int], kind: str) -> str:
    """A histogram as an outline of steps; heights are logarithms of counts."""
    most = max(map(log1p, counts), default=0.0) or 1.0
    points = ["M0 100"]
    for place, count in enumerate(counts):
        points.append(f"V{100 - 100 * log1p(count) / most:.1f}H{place + 1}")
    return f'<path class="{kind}" d="{"".join(points)}V100Z"/>'
