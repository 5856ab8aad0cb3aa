"""The figure of causes: dose and response, gradients cut and helped, what an answer follows."""

import math
import re
import textwrap

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.judging.statements import option
from workflow.seqbench.results import measures
from workflow.seqbench.results.selecting import EVERY, NotInRun, Run, select
from workflow.seqbench.showing import style
from workflow.seqbench.showing.text import percent

ROWS = style.SPEC["causes"]  # of each panel that has some
FILLS = ("full", "left", "none", "bottom")  # of marks, by length


def main(cells, beside, causes, mplstyle, png, svg):
    """Draw the cells of the experiments of causes.

    cells, beside: tables of the experiments that it takes, and of those that it shows where the run
    has them. The statement on one threshold, in the file `causes`, says which share of the gradient
    that is.
    """
    run = Run.of_files([*cells, *beside])
    tables = [run.table(name) for name in run.tables]
    asked = sum(table["cells_asked"].iloc[0] for table in tables)
    cells = pd.concat(tables, ignore_index=True).assign(cells_asked=asked)
    looks, shape = style.looks(cells), {"size": (9.8, 9.6), "panels": 6, "columns": 2}
    with style.drawing(mplstyle, cells, "causes", png, svg, **shape) as axes:
        batches = draw_runs(axes[1], run, looks, ROWS["noise"])
        title(axes[1], f"Gradient noise: {noise(list(batches.values()))}")
        style.headline(axes[0], draw_interventions(axes[2], run, looks))
        draw_moments(axes[3], run, looks)
        medians = draw_shares(axes[4], run, looks, ROWS["followed"])
        names = [name.split("\n")[1] for name, share in medians.items() if share > 0.5]
        title(axes[4], f"Answers follow {', '.join(names) or 'none of these'}")
        medians = draw_shares(axes[5], run, looks, ROWS["longer"])
        twice = [f"{name[:-4]} {percent(v)}" for name, v in medians.items() if name.endswith("2×")]
        title(axes[5], f"Right at twice its length: {', '.join(twice) or 'none was tried'}")
        # Last, as its names are placed in the room that the others leave it.
        draw_dose(axes[0], run, looks, option(causes, "vanished"))


def title(axis, text):
    """A title in lines that fit a panel."""
    axis.set_title(textwrap.fill(text.replace(" %", "\u00a0%"), 37), fontsize=10)


def selected(run, experiment, model, needs=None):
    """The Selection of a model's cells; None where the run has none."""
    try:
        return select(run, experiment, model, needs=needs)
    except NotInRun:
        return None


def draw_points(axis, cells, looks, x, y):
    """A mark for each cell in its model's look, filled by its length, on logarithmic axes.

    Returns the keywords of its marks by length.
    """
    lengths = sorted(cells["seq_len"].unique())
    marks = {"linestyle": "none", "markerfacecoloralt": "white", "mew": 0.8}
    fills = {n: marks | {"fillstyle": FILLS[i % len(FILLS)]} for i, n in enumerate(lengths)}
    for (model, seq_len), rows in cells.groupby(["model", "seq_len"]):
        axis.plot(rows[x], rows[y], alpha=0.8, **looks[model] | fills[seq_len])
    axis.set(xscale="log", yscale="log")
    return fills


def legend(axis, fills, **options):
    """Which fill is which length."""
    for seq_len, marks in fills.items():
        axis.plot([], [], "o", c="0.4", label=f"{seq_len} tokens", **marks)
    axis.legend(fontsize=8.5, **options)


def draw_dose(axis, run, looks, vanished):
    """Steps to solve against the share of the gradient that arrives before training.

    The marks of each bias are named: those of the longest length above, those of the shortest below,
    unsolved ones right under the budget.
    """
    biases, chrono = select(run, "forget_bias", EVERY), selected(run, "recall", "lstm_chrono")
    lengths = sorted(biases.cells["seq_len"].unique())
    cells = pd.concat([part.cells for part in (biases, chrono) if part])
    cells = cells[cells["seq_len"].isin(lengths)]
    budget = cells["budget_steps"].max()
    steps = cells["solved_step"].fillna(style.NOT_SOLVED * budget)
    cells = cells.assign(steps=steps, share=cells["gradient_share_initial"])
    fills = draw_points(axis, cells, looks, "share", "steps")
    axis.axvline(vanished, **style.DASHED)
    axis.axhline(budget, **style.DASHED)
    axis.set_xlabel("gradient that reaches the first token, before training")
    axis.set_ylabel("training steps until solved")
    top, bottom, under = 2.4 * budget, steps.min() / 2, 0.72 * budget
    axis.set_ylim(bottom / 1.25, top * 1.25)
    axis.set_xlim(right=6 * cells["share"].max())
    style.plain_log_ticks(axis.yaxis, highest=budget)
    legend(axis, fills, loc="center left")
    place = {"rotation": 90, "va": "bottom", "ha": "right"}
    style.note(axis, "1 / √(batch × steps)", (vanished, 0.75 * steps.min()), (-2, 0), **place)
    shortest, longest = (cells[cells["seq_len"] == lengths[i]] for i in (0, -1))
    lost = shortest.groupby("model")["solved"].transform("sum") == 0
    for part, height in ((shortest[~lost], bottom), (shortest[lost], under), (longest, top)):
        if len(part):
            name_clusters(axis, part, looks, height)
    right = [measures.gradient_predicts(biases.at(n), vanished).value for n in lengths]
    share = style.span(right, percent)
    title(axis, f"Dose and response: one threshold is right in {share}")


def name_clusters(axis, cells, looks, height):
    """What stands in the brackets of each model's name, at this height, with a line to its marks."""
    groups = cells.groupby("model")
    middles = np.exp(groups["share"].agg(lambda shares: np.log(shares).median())).sort_values()
    nearest = groups["steps"].max() if (height > cells["steps"]).all() else groups["steps"].min()
    names = {model: short(model).removeprefix("bias ") for model in middles.index}
    style.lay_out(axis)
    places = style.apart_on(axis, middles, [6 + 5 * len(name) for name in names.values()])
    for (model, name), place in zip(names.items(), places, strict=True):
        color = looks[model]["color"]
        line = {"arrowstyle": "-", "color": color, "lw": 0.5, "shrinkA": 0, "shrinkB": 3}
        look = {"color": color, "ha": "center", "va": "center", "textcoords": "data"}
        at = middles[model], nearest[model]
        style.note(axis, name, at, (place, height), arrowprops=line, weight="bold", **look)


def draw_runs(axis, run, looks, rows):
    """Steps until solved, a row per entry of `rows`, at the length that most of them have.

    One that lacks that length has its shortest, and its name says so. rows: {name: [experiment,
    model]}. Returns {name: Selection} of what the run has.
    """
    parts = {name: selected(run, *which) for name, which in rows.items()}
    common, drawn = longest_common(parts.values()), {}
    for place, (name, part) in enumerate(parts.items()):
        if part:
            seq_len = min(part.cells["seq_len"], key=lambda n: (n != common, n))
            name = name if seq_len == common else f"{name},\n{seq_len} tokens"
            part = part.at(seq_len)
            style.runs(axis, place, part.cells, looks[part.model])
        else:
            style.absent(axis, place)
        drawn[name] = part
    style.row_names(axis, list(drawn))
    axis.tick_params(axis="y", labelsize=8.5)
    drawn = {name: part for name, part in drawn.items() if part}
    if drawn:
        style.solving_axis(axis, pd.concat(part.cells for part in drawn.values()))
        axis.set_xlabel(f"training steps until solved, {common} tokens")
    return drawn


def longest_common(parts):
    """The length that most Selections have, the longest of such."""
    lengths = [n for part in parts if part for n in set(part.cells["seq_len"])]
    return pd.Series(lengths, dtype=int).mode().max()


def noise(parts):
    """How many times the steps of the largest batch the smallest one takes, where that is decided."""
    texts, sizes = [], [part.cells["batch_size"].iloc[0] for part in parts]
    if len(set(sizes)) < 2:
        return "one batch size in this run"
    for model in dict.fromkeys(part.model for part in parts):
        of_model = [part for part in parts if part.model == model]
        ratio = measures.steps_ratio(of_model[0], of_model[-1])
        beyond = "more than " if math.isinf(ratio.value) else ""
        if ratio.low > 1:
            times = style.times(ratio.limit if beyond else ratio.value)
            texts.append(f"{beyond}{times} ({short(model)})")
    if not texts:
        return f"no difference shown between batches of {min(sizes)} and {max(sizes)}"
    return f"batch {min(sizes)} takes {' and '.join(texts)} the steps of batch {max(sizes)}"


def short(model):
    """What stands in the brackets of a model's name: chrono, bias 2."""
    return re.sub(r".*\((.*)\)", r"\1", style.title_of(model))


def draw_interventions(axis, run, looks):
    """Who solves it when the gradient is helped or cut; returns how many runs do, in a sentence.

    A control is below them where the run has it.
    """
    controls = {name: row for name, row in ROWS["controls"].items() if selected(run, *row)}
    parts = draw_runs(axis, run, looks, ROWS["interventions"] | controls)
    seq_len = longest_common(parts.values())
    parts = {name: part for name, part in parts.items() if name not in controls}
    shares = {name: measures.solved_share(part) for name, part in parts.items()}
    works = sum(share.value > 0.5 for share in shares.values())
    title(axis, f"The gradient helped and cut: {works} of {len(shares)} ways to train an LSTM work")
    counts = [f"{name} {share.value * share.n:.0f} of {share.n}" for name, share in shares.items()]
    counts = "; ".join(counts).replace("\n", " ")
    return f"LSTMs that recall the first of {seq_len} tokens: {counts}"


def draw_moments(axis, run, looks):
    """When attention finds the first token, against when the loss drops."""
    part = selected(run, "readout", "transformer_last")
    if not part:
        return style.absent(axis, 0.5)
    columns = ["loss_drop_step", "attention_rise_step"]
    legend(axis, draw_points(axis, part.cells, looks, *columns))
    steps = part.cells[columns].astype(float).to_numpy()
    steps = steps[steps > 0] if (steps > 0).any() else part.cells["budget_steps"]
    limits = 0.8 * steps.min(), 1.25 * steps.max()
    axis.plot(limits, limits, **style.DASHED)
    axis.set(xlim=limits, ylim=limits)
    for one in (axis.xaxis, axis.yaxis):
        style.plain_log_ticks(one, factors=(1, 2, 3, 5))
    axis.set(xlabel="step at which the loss drops", ylabel="step at which attention finds it")
    lengths = part.cells["seq_len"].unique()
    leads = [measures.median(part.at(n), "attention_lead_steps").value for n in lengths]
    leads = [lead for lead in leads if not math.isnan(lead)]
    moment = f"{style.span(leads, '{:+.0f}'.format)} steps (medians)" if leads else "in no run"
    title(axis, f"Attention finds the token, then a Transformer's loss drops: {moment}")


def why(error):
    """Why a model cannot read longer sequences."""
    learned = "positions" in error and "learned" in error
    return textwrap.fill("cannot: positions are learned" if learned else error, 30)


def draw_shares(axis, run, looks, rows):
    """Shares of answers of solved runs, at the longest length at which there are some.

    rows: {name: [experiment, model, column]}. Returns {name: median} of what the run has.
    """
    names, medians = [], {}
    for place, (name, (experiment, model, column)) in enumerate(rows.items()):
        part = selected(run, experiment, model, {"solved": True})
        part = part and part.at(part.cells["seq_len"].max())
        median = measures.median(part, column) if part else measures.Estimate()
        if median.n:
            medians[name], name = median.value, f"{name}, n = {median.n}"
            bar = {"color": looks[model]["color"], "lw": 4, "alpha": 0.25}
            axis.plot([0, median.value], [place, place], **bar)
            style.dots(axis, place, part.cells[column].dropna(), looks[model])
        else:
            errors = part.cells["accuracy_longer_error"].dropna() if part else ()
            style.absent(axis, place, next(map(why, errors), "no solved run"))
        names.append(name)
    style.row_names(axis, names)
    axis.tick_params(axis="y", labelsize=8.5)
    axis.set(xlim=(-0.04, 1.04), xlabel="share of answers")
    return medians


if __name__ == "__main__":
    log.run(main, snakemake)
