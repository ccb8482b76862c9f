"""Reference pages made from the code: the manifest's schema, the layer classes, and what each table supports.

``python -m irconv.report.reference`` writes them; a test fails when a page is stale.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from irconv.codec import Table
from irconv.families import INDEX
from irconv.ir.layers import MODULES, layer_class
from irconv.ir.layers.base import Layer
from irconv.ir.manifest import manifest_schema
from irconv.report.aten_support import aten_page
from irconv.report.onnx_support import onnx_page

_GENERATED = "<!-- Made from the code by `make docs`; edit the code. -->"


def documents() -> dict[str, str]:
    """The text of each page by its path from the project's root."""
    from irconv.frameworks.bundle.digests import blocks_schema
    from irconv.frameworks.keras.table import TABLE as KERAS
    from irconv.frameworks.onnx.table import TABLE as ONNX
    from irconv.frameworks.theano.architecture import schema
    from irconv.frameworks.theano.table import TABLE as THEANO
    from irconv.frameworks.torch.table import TABLE as TORCH
    from irconv.vocabularies.tensorflow import TABLE as TENSORFLOW

    indices = {f"{table.package.replace('.', '/')}/{INDEX}": table.index() for table in (KERAS, ONNX, TORCH)}
    return indices | {
        "schemas/manifest.schema.json": json.dumps(manifest_schema(), indent=1) + "\n",
        "schemas/weights-blocks.schema.json": json.dumps(blocks_schema(), indent=1) + "\n",
        "schemas/theano-arch.schema.json": json.dumps(schema(), indent=1) + "\n",
        "docs/layers.md": layers_page(),
        "docs/support/keras.md": support_page(KERAS, "read from Keras 2 and tf.keras files"),
        "docs/support/onnx.md": onnx_page(_GENERATED) + "\n" + _rows_of(ONNX),
        "docs/support/tensorflow.md": support_page(TENSORFLOW, "read from TensorFlow's graphs, and written to them"),
        "docs/support/theano.md": support_page(THEANO, "read with an architecture, and written to Theano"),
        "docs/support/torch.md": support_page(TORCH, "written to PyTorch"),
        "docs/support/aten.md": aten_page(_GENERATED),
    }


def layers_page() -> str:
    """Every layer class with its formula, settings and operands."""
    lines = ["# Layers", "", _GENERATED, "", "Every type a manifest can hold, by family.", ""]
    families: dict[str, list[str]] = {}
    for name, module in MODULES.items():
        families.setdefault(module, []).append(name)
    for module, names in families.items():
        about = inspect.getdoc(sys.modules[layer_class(names[0]).__module__]) or ""
        lines += [f"## {module}", "", about.splitlines()[0], ""]
        for name in names:
            lines += _layer(layer_class(name))
    return "\n".join(lines).rstrip() + "\n"


def _layer(layer: type[Layer]) -> list[str]:
    lines = [f"### {layer.__name__}", "", (inspect.getdoc(layer) or "").replace("\\*", "\\*"), ""]
    fields = [n for n in layer.model_fields if n not in layer.FIELDS_OF_EVERY_LAYER]
    if fields:
        lines += [f"Settings: {', '.join(f'`{name}`' for name in fields)}.", ""]
    if layer.PARAMETERS:
        operands = [
            f"`{role}` ({p.axes}{'' if p.fill is None else f'; absent means {p.fill:g}'})"
            for role, p in layer.PARAMETERS.items()
        ]
        lines += [f"Operands: {', '.join(operands)}.", ""]
    return lines


def support_page(table: Table, verb: str) -> str:
    """What a table maps, row by row."""
    return f"# {table.framework}: what is {verb}\n\n{_GENERATED}\n\n{_rows_of(table)}"


def _rows_of(table: Table) -> str:
    lines = [f"| {table.framework} | only where | irconv |", "| --- | --- | --- |"]
    for codec in table.codecs:
        selecting: Mapping[str, object] = dict(row.selecting for row in codec.rows if row.selecting is not None)
        where = ", ".join(f"`{knob}={value!r}`" for knob, value in selecting.items())
        since = f" (opset {codec.since})" if codec.since else ""
        lines.append(f"| `{codec.native}`{since} | {where} | [{codec.layer.__name__}](../layers.md) |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write every page below the current folder."""
    for path, text in documents().items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
