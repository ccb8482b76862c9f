"""The page of ONNX's operators: which of them are read, and which are written, as the installed ``onnx`` lists them."""

from __future__ import annotations

from collections.abc import Iterator

FUSED = "com.microsoft"


def onnx_page(generated: str) -> str:
    """Every operator of ONNX, and those of ONNX Runtime that are read; `generated` says that the page is."""
    from onnx import defs

    from irconv.frameworks.onnx.reading.handlers import HANDLERS
    from irconv.frameworks.onnx.table import TABLE

    handled = {name for domain, name in HANDLERS if not domain}
    mapped = {codec.native for codec in TABLE.codecs}
    opsets: dict[str, list[int]] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "" and not schema.deprecated:
            opsets.setdefault(schema.name, []).append(schema.since_version)
    names = sorted(opsets)
    read = [name for name in names if name in handled | mapped]
    newest, both = defs.onnx_opset_version(), len(mapped & set(names))
    lines = [
        "# ONNX: what is read, and what is written",
        "",
        generated,
        "",
        f"Of the {len(names)} operators that opset {newest} has, {len(read)} are read, in every opset",
        f"from 7 on that has them, and {both} are written (`--opset` chooses an opset). Layers without",
        "an operator of their own are written as the operators of their formula. Sizes, axes and counts that an",
        "operator takes as inputs have to follow from the file and from the sizes of values.",
        "",
        "| operator | versions | read | written |",
        "| --- | --- | --- | --- |",
    ]
    lines += _rows(opsets, handled | mapped, mapped)
    fused = sorted(name for domain, name in HANDLERS if domain == FUSED)
    lines += ["", f"Of `{FUSED}`, ONNX Runtime's own domain, are read: {', '.join(f'`{name}`' for name in fused)}.", ""]
    return "\n".join(lines)


def _rows(opsets: dict[str, list[int]], read: set[str], written: set[str]) -> Iterator[str]:
    for name, versions in sorted(opsets.items()):
        said = ", ".join(str(version) for version in sorted(versions))
        yield f"| `{name}` | {said} | {'yes' if name in read else ''} | {'yes' if name in written else ''} |"
