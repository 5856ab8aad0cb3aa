"""How figures look: one look per model, in all of them."""

import re

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT
from workflow.seqbench.showing import style

MODELS = yaml.safe_load((ROOT / "config.yaml").read_text())["models"]


def table(names, architecture=None):
    rows = [(n, architecture or MODELS[n]["architecture"]) for n in names]
    return pd.DataFrame(rows, columns=["model", "architecture"])


def test_no_two_shipped_models_share_a_look():
    looks = style.looks(table(MODELS))
    assert len({tuple(look.values()) for look in looks.values()}) == len(MODELS)


def test_shipped_models_are_told_apart_without_markers():
    """As curves have none."""
    looks = style.looks(table(MODELS))
    assert len({(look["color"], look["linestyle"]) for look in looks.values()}) == len(MODELS)


def test_a_model_looks_the_same_whatever_else_is_in_the_figure():
    everywhere = style.looks(table(MODELS))
    for name in MODELS:
        assert style.looks(table([name])) == {name: everywhere[name]}


def test_every_shipped_model_has_a_place():
    placed = {name for family in style.SPEC["families"].values() for name in family["models"]}
    assert placed >= set(MODELS)


def test_models_of_ones_own_get_looks_of_their_own():
    looks = style.looks(pd.concat([table(MODELS), table(["mine", "yours"], "lab:Net")]))
    assert len({tuple(look.values()) for look in looks.values()}) == len(MODELS) + 2


def test_shipped_models_are_told_apart_without_colour():
    looks = style.looks(table(MODELS))
    assert len({(look["marker"], look["linestyle"]) for look in looks.values()}) == len(MODELS)


def test_a_ratio_in_a_figure_is_short():
    assert style.times(3.78) == "3.8×"
    assert style.times(74.6) == "75×"
    assert style.times(1057.2) == "1,057×"


def test_ticks_are_plain_numbers_or_all_powers_of_ten():
    axis = style.plt.figure().add_subplot()
    axis.set(xscale="log", xlim=(50, 20000), yscale="log", ylim=(1e-6, 1))
    for one in (axis.xaxis, axis.yaxis):
        style.plain_log_ticks(one, factors=(1,))
    labels = [
        [label.get_text() for label in one]
        for one in (axis.get_xticklabels(), axis.get_yticklabels())
    ]
    assert labels[0] == ["100", "1,000", "10,000"]
    assert labels[1] == [f"$10^{{{power}}}$" for power in range(-6, 1)]


@pytest.mark.parametrize("limits", [(4e-4, 20), (1.2e-3, 20), (1e-5, 1), (0.5, 3e6), (0.01, 200)])
def test_each_tick_says_its_own_value(limits):
    axis = style.plt.figure().add_subplot()
    axis.set(yscale="log", ylim=limits)
    style.plain_log_ticks(axis.yaxis)
    said = [re.sub(r"\$10\^{(.*)}\$", r"1e\1", one.get_text()) for one in axis.get_yticklabels()]
    ticks = axis.get_yticks()
    assert len(ticks) > 2
    assert [float(text.replace(",", "")) for text in said] == pytest.approx(list(ticks))


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1057, "1,057×"),
        (9.96, "10×"),
        (9.94, "9.9×"),
        (5, "5.0×"),
        (0.999, "1.0×"),
        (0.96, "0.96×"),
    ],
)
def test_a_ratio_has_two_digits_or_whole_ones(ratio, text):
    assert style.times(ratio) == text


def test_a_figure_without_lines_has_no_labels():
    axis = style.plt.figure().add_subplot()
    style.label_ends({axis: []})
    style.label_feet({axis: []}, 0, 1)


def test_a_shipped_model_is_known_by_its_name():
    assert style.looks(table(MODELS, "not known")) == style.looks(table(MODELS))
