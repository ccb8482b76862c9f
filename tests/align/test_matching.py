"""What alignment decides, what it leaves open, and by which evidence."""

from __future__ import annotations

from dataclasses import replace

from irconv.align import Alignment, Network, Unit, align
from tests.align.networks import conv, graph, linear, listed, norm


def named(found: Alignment) -> dict[str, str]:
    return {found.target.units[t].name: found.source.units[s].name for t, s in found.pairs.items()}


def renamed(network: Network, **names: str) -> Network:
    return replace(network, units=tuple(replace(u, name=names.get(u.name, u.name)) for u in network.units))


def twins(join: str, first: str = "relu", second: str = "relu") -> Network:
    units = [
        conv("stem", 8, 3),
        conv("a1", 8, 8),
        conv("a2", 8, 8),
        conv("b1", 8, 8),
        conv("b2", 8, 8),
        linear("fc", 4, 8),
    ]
    return graph(
        units,
        ("s", "stem", "x"),
        ("p", "a1", "s"),
        ("q", "a2", "p"),
        ("q'", first, "q"),
        ("u", "b1", "s"),
        ("v", "b2", "u"),
        ("v'", second, "v"),
        ("j", join, "q'", "v'"),
        ("y", "fc", "j"),
    )


WORDS = {"stem": "amber", "a1": "birch", "a2": "cedar", "b1": "delta", "b2": "ember", "fc": "fjord"}


def scrambled(network: Network) -> Network:
    """The same network under other names, its units listed the other way round."""
    units, last = network.units[::-1], len(network.units) - 1
    nodes = tuple(replace(n, unit=None if n.unit is None else last - n.unit) for n in network.nodes)
    return renamed(replace(network, units=units, nodes=nodes), **WORDS)


def test_shapes_that_occur_once_are_matched_whatever_the_names_and_the_order() -> None:
    source = listed(conv("conv1", 8, 3), norm("bn1", 8), linear("fc", 4, 9))
    target = listed(linear("amber", 4, 9), conv("birch", 8, 3), norm("cedar", 8))
    assert named(align(source, target)) == {"amber": "fc", "birch": "conv1", "cedar": "bn1"}


def test_equal_layers_follow_the_numbers_in_their_names_not_the_alphabet() -> None:
    source = listed(*(conv(f"block{i}_conv", 8, 8) for i in range(1, 12)))
    target = listed(*(conv(f"features.{3 * i}", 8, 8) for i in (0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9)))
    found = named(align(source, target))
    assert found == {f"features.{3 * i}": f"block{i + 1}_conv" for i in range(11)}


def test_equal_layers_under_names_that_say_nothing_stay_open() -> None:
    source = listed(conv("conv1", 8, 3), conv("conv2", 8, 8), conv("conv3", 8, 8))
    target = listed(conv("cedar", 8, 8), conv("amber", 8, 3), conv("birch", 8, 8))
    found = align(source, target)
    assert named(found) == {"amber": "conv1"}
    assert [(choice.target, choice.source) for choice in found.open] == [((0, 2), (1, 2))]


def test_norms_follow_the_layers_that_their_names_belong_to() -> None:
    source = listed(conv("b.conv_dw", 8, 1), norm("b.bn_dw", 8), conv("b.conv_pw", 8, 8, 1), norm("b.bn_pw", 8))
    target = listed(norm("features.1", 8), norm("features.3", 8), conv("features.0", 8, 1), conv("features.2", 8, 8, 1))
    found = named(align(source, target))
    assert found["features.1"] == "b.bn_dw"
    assert found["features.3"] == "b.bn_pw"


def test_concatenated_twins_are_told_apart_by_the_ports() -> None:
    found = named(align(twins("concat"), scrambled(twins("concat"))))
    assert found == {value: key for key, value in WORDS.items()}


def test_added_twins_may_be_exchanged_as_whole_branches_and_that_is_said() -> None:
    alignment = align(twins("add"), scrambled(twins("add")))
    found = named(alignment)
    assert {found["birch"] + found["cedar"], found["delta"] + found["ember"]} == {"a1a2", "b1b2"}
    assert any(match.exchangeable for match in alignment.matches)


def test_added_twins_with_unlike_activations_are_told_apart() -> None:
    source, target = twins("add", "relu", "tanh"), scrambled(twins("add", "relu", "tanh"))
    alignment = align(source, target)
    assert named(alignment) == {value: key for key, value in WORDS.items()}
    assert not any(match.exchangeable for match in alignment.matches)


def test_added_twins_with_unlike_settings_of_their_own_side_are_not_interchangeable() -> None:
    other = scrambled(twins("add"))
    nodes = tuple(replace(n, exact="padding 2") if n.unit == 1 else n for n in other.nodes)
    found = align(twins("add"), replace(other, nodes=nodes))
    assert {choice.target for choice in found.open} == {(1, 2, 3, 4)}


def residual(blocks: int) -> Network:
    units: list[Unit] = [conv("stem", 8, 3)]
    lines: list[tuple[str, ...]] = [("v0", "stem", "x")]
    for i in range(blocks):
        units += [conv(f"block{i}_conv1", 8, 8), conv(f"block{i}_conv2", 8, 8)]
        first, second = f"block{i}_conv1", f"block{i}_conv2"
        lines += [(f"p{i}", first, f"v{i}"), (f"q{i}", second, f"p{i}"), (f"v{i + 1}", "add", f"q{i}", f"v{i}")]
    return graph([*units, linear("fc", 4, 8)], *lines, ("y", "fc", f"v{blocks}"))


def test_one_of_several_equal_blocks_left_out_stays_open() -> None:
    words = {unit.name: f"layer {number}" for number, unit in enumerate(residual(2).units)}
    found = align(
        residual(3), renamed(residual(2), **{name: f"w{'abcdefgh'[int(w[6:])]}" for name, w in words.items()})
    )
    assert {found.target.units[t].name for t in found.pairs} == {"wa", "wf"}


def test_a_network_cut_short_is_the_beginning_of_the_whole() -> None:
    whole, short = residual(3), residual(3)
    nodes = tuple(n for n in short.nodes if n.label != "output" and n.unit != 7)
    words = {unit.name: f"w{'abcdefgh'[i]}" for i, unit in enumerate(short.units)}
    target = renamed(Network(short.units[:7], nodes), **words)
    found = align(whole, target)
    assert named(found) == {words[unit.name]: unit.name for unit in short.units[:7]}
    assert found.left == (7,)


def test_what_the_user_said_is_followed() -> None:
    source, target = listed(conv("a", 8, 8), conv("b", 8, 8)), listed(conv("amber", 8, 8), conv("birch", 8, 8))
    found = align(source, target, told={0: 1})
    assert named(found) == {"amber": "b", "birch": "a"}


def under(scope: str, network: Network) -> tuple[Unit, ...]:
    return tuple(replace(unit, name=f"{scope}/{unit.name}") for unit in network.units)


def test_the_one_scope_that_has_all_names_of_the_smaller_side_is_it() -> None:
    small = listed(conv("layer_0/dense", 8, 8), conv("layer_1/dense", 8, 8), stored=False)
    large = listed(*under("body", small), conv("head/dense", 8, 8), stored=False)
    assert named(align(large, small)) == {"layer_0/dense": "body/layer_0/dense", "layer_1/dense": "body/layer_1/dense"}
    assert named(align(small, large)) == {"body/layer_0/dense": "layer_0/dense", "body/layer_1/dense": "layer_1/dense"}
    two = listed(*under("encoder", small), *under("decoder", small), stored=False)
    assert named(align(two, small)) == {}
