"""The options that several commands share, and their values for shells that complete words."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import fields
from functools import reduce
from pathlib import Path
from typing import Any, get_args

import click
from click.shell_completion import CompletionItem

from irconv.options import Backend
from irconv.shell import Once

FILE = click.Path()
"""A path that need not exist: what is wrong with it is said by the API, and shells complete it."""


class FormatOption(click.Option):
    """``--from`` or ``--to``: the registered names stand in the help and are completed; the API refuses others."""

    def names(self) -> list[str]:
        """The names of all readers or writers, those of third parties included."""
        from irconv.frameworks import readers, writers

        return [one.name for one in (readers() if self.name == "source_format" else writers())]

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The help, and the names."""
        record = super().get_help_record(ctx)
        return record and (record[0], f"{record[1]} One of {', '.join(self.names())}.")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names that begin so."""
        return [CompletionItem(name) for name in self.names() if name.startswith(incomplete)]


def listed(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Names that are repeated or stand with commas between them."""
    return tuple(name for value in values for name in value.split(",") if name)


#: The facts a file may not state: a flag for each field of `irconv.options.ReadOptions`.
READING_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--from",
        "source_format",
        cls=FormatOption,
        metavar="FORMAT",
        help="Read SRC as this, do not recognise it.",
    ),
    click.option(
        "--backend",
        type=click.Choice(get_args(Backend)),
        help="The backend Keras ran on, where the file does not say: Theano keeps kernels turned.",
    ),
    click.option(
        "--arch",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        metavar="FILE",
        help="The architecture of bare weights: theano-arch/1 (docs/theano.md) or Keras' model.json.",
    ),
    click.option(
        "--dim-ordering",
        type=click.Choice(["th", "tf"]),
        help="Where images have their channels in a Keras 1 file that does not say: th first, tf last.",
    ),
    click.option(
        "--submodel", metavar="NAME", help="The group of an outer model's weights that is the model's of --arch."
    ),
    click.option(
        "--until",
        multiple=True,
        metavar="LAYER",
        help="Read up to this layer; its result is the output. Repeat for more.",
    ),
    click.option("--replace", multiple=True, metavar="LAYER=identity", help="Read as if the layer did nothing."),
    click.option(
        "--plugin",
        "plugins",
        multiple=True,
        type=click.Path(path_type=Path),
        help="A Python file with layers of your own, which is run; repeat for more.",
    ),
    click.option("--key", metavar="NAME", help="The entry of a checkpoint that has the weights; a.b for nested ones."),
    click.option("--ema", is_flag=True, help="Read the averaged copy of the weights that is kept beside them."),
    click.option(
        "--keep-optimizer",
        is_flag=True,
        help="Keep the state of the optimizer, for a bundle and for the format that it comes from.",
    ),
    click.option(
        "--keep-opaque", is_flag=True, help="Keep layers that irconv has no rule for as they are, in a bundle."
    ),
    click.option(
        "--opaque-shape",
        multiple=True,
        metavar="LAYER=N,7,8",
        help="The shape of what such a layer gives, in the source's axes, where the file does not say it.",
    ),
    click.option(
        "--input-shape",
        "input_shape",
        multiple=True,
        metavar="[NAME=]N,1,28,28",
        help="Shape of an input, in the source's axes, where the file does not say it or leaves sizes open; a symbol "
        "such as N leaves one open. Repeat for more.",
    ),
    click.option(
        "--module-map",
        "module_map",
        multiple=True,
        metavar="CLASS=TYPE",
        help="Read a PyTorch class of your own as this module, such as Flatten.",
    ),
    click.option(
        "--module",
        metavar="FILE.py:CLASS",
        help="Your own PyTorch module that the weights are of, or package.module:factory; its code is run.",
    ),
    click.option(
        "--inputs", multiple=True, callback=listed, metavar="A,B", help="Begin at these: inputs, layers or values."
    ),
    click.option(
        "--outputs", multiple=True, callback=listed, metavar="C,D", help="End at these: outputs, layers or values."
    ),
    click.option("--signature", metavar="NAME", help="Which of several functions of a file is the model."),
    click.option(
        "--tags", multiple=True, callback=listed, metavar="T,U", help="The graph of a SavedModel that has these tags."
    ),
    click.option(
        "--fix",
        multiple=True,
        metavar="NAME=VALUE",
        help="Read as if this input always had this value; repeat for more.",
    ),
    click.option(
        "--no-recompose",
        "recompose",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Leave the arithmetic of a graph as it is, instead of putting it together to layers.",
    ),
    click.option(
        "--no-verify",
        "digests",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Read a bundle without comparing it with its digests, which is noted in what is made.",
    ),
)

#: What to write, and how: a flag for each field of `irconv.options.WriteOptions`.
WRITING_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--to",
        "target_format",
        cls=FormatOption,
        metavar="FORMAT",
        help="Write this format instead of the one DST's suffix names.",
    ),
    click.option(
        "--io",
        type=click.Choice(["native", "source"]),
        default="native",
        show_default=True,
        help="Axes of inputs and outputs: customary for the target, or as the source had them.",
    ),
    click.option("--merge", is_flag=True, help="Compute weights stored in parts: weight norm, spectral norm, pruning."),
    click.option("--fold-bn", is_flag=True, help="Merge each BatchNorm into the convolution or matrix before it."),
    click.option(
        "--dtype",
        type=click.Choice(["f16", "bf16", "f32", "f64"]),
        help="Floating type of weights, computations, inputs and outputs; prints what it costs.",
    ),
    click.option("--opset", type=int, help="ONNX opset. [default: the lowest that can say the model, at least 18]"),
    click.option(
        "--target-version",
        metavar="V",
        help="Keras HDF5: 2.3, 1.15, 2.4 or 2.15. [default: the oldest that can say the model]",
    ),
    click.option(
        "--shard-size",
        metavar="SIZE",
        help="Safetensors: put more bytes of tensors than this, such as 5GB, into shards with an index.",
    ),
    click.option(
        "--resume",
        is_flag=True,
        help="Safetensors in shards: keep what is finished where the run ends early, and go on from there.",
    ),
    click.option(
        "--probe", is_flag=True, help="Bundles: keep inputs and what the source's framework predicts, for `check`."
    ),
    click.option(
        "--probe-input",
        multiple=True,
        metavar="[NAME=]X",
        help="Bundles: these inputs (.npy, .npz, an image) instead of random ones.",
    ),
    click.option(
        "--probe-output",
        multiple=True,
        metavar="[NAME=]Y",
        help="Bundles: what was predicted of them (.npy, .npz); nothing is then run.",
    ),
    click.option(
        "--meta",
        multiple=True,
        metavar="KEY=VALUE",
        help="Bundles: title, description, author, licence, url, preprocessing, labels; @FILE is its text.",
    ),
    click.option("--dry-run", is_flag=True, help="Say all that stands in the way, and write nothing."),
    click.option("--force", is_flag=True, help="Replace DST where it exists."),
)


def with_options(options: tuple[Callable[[Any], Any], ...]) -> Callable[[Any], Any]:
    """A decorator that adds the options to a command, in their order."""
    return lambda command: reduce(lambda made, option: option(made), reversed(options), command)


def taken(kind: type[Any], flags: dict[str, Any]) -> Any:
    """The options object of the flags that are its fields, taken out of the flags; a repeated flag is a tuple."""
    return kind(**{field.name: flags.pop(field.name) for field in fields(kind) if field.name in flags})


def reading(context: click.Context, option: click.Parameter, text: str | None) -> Any:
    """The reading options in a quoted text of flags, for a command that reads several files."""
    from irconv.options import ReadOptions

    if text is None:
        return ReadOptions()
    command = with_options(READING_OPTIONS)(click.command(cls=Once, name=option.opts[0])(lambda **flags: flags))
    try:
        made = command.make_context(option.opts[0], shlex.split(text), parent=context)
    except (click.UsageError, ValueError) as error:
        raise click.BadParameter(getattr(error, "message", str(error))) from error
    return taken(ReadOptions, dict(made.params))
