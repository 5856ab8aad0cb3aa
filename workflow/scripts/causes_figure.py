"""The figure of causes: dose and response, gradients cut and helped, what an answer follows."""

import math
import textwrap

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
        draw_dose(axes[0], run, looks, option(causes, "vanished"))
        batches = draw_runs(axes[1], run, looks, ROWS["noise"])
        title(axes[1], f"Gradient noise: {noise(list(batches.values()))}")
        solved = draw_interventions(axes[2], run, looks)
        style.headline(axes[0], f"LSTMs that recall the first token: {solved}")
        draw_moments(axes[3], run, looks)
        medians = draw_shares(axes[4], run, looks, ROWS["followed"])
        names = [name.split("\n")[1] for name, share in medians.items() if share > 0.5]
        title(axes[4], f"Answers follow {', '.join(names) or 'none of these'}")
        medians = draw_shares(axes[5], run, looks, ROWS["longer"])
        twice = [f"{name[:-4]} {percent(v)}" for name, v in medians.items() if name.endswith("2×")]
        title(axes[5], f"Right at twice its length: {', '.join(twice) or 'none was tried'}")


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
    """A mark for each cell in its model's look, filled by its length, on logarithmic axes."""
    lengths = sorted(cells["seq_len"].unique())
    fills = {seq_len: FILLS[i % len(FILLS)] for i, seq_len in enumerate(lengths)}
    marks = {"linestyle": "none", "markerfacecoloralt": "white", "mew": 0.8}
    for (model, seq_len), rows in cells.groupby(["model", "seq_len"]):
        look = looks[model] | marks
        axis.plot(rows[x], rows[y], fillstyle=fills[seq_len], alpha=0.8, **look)
    for seq_len, fill in fills.items():
        axis.plot([], [], "o", c="0.4", fillstyle=fill, label=f"{seq_len} tokens", **marks)
    axis.set(xscale="log", yscale="log")
    axis.legend(fontsize=8.5)


def draw_dose(axis, run, looks, vanished):
    """Steps to solve against the share of the gradient that arrives before training."""
    biases, chrono = select(run, "forget_bias", EVERY), selected(run, "recall", "lstm_chrono")
    cells = pd.concat([part.cells for part in (biases, chrono) if part])
    draw_points(axis, cells, looks, "gradient_share_initial", "solved_step")
    for model, rows in cells[cells["solved_step"].isna()].groupby("model"):
        missed = style.NOT_SOLVED * rows["budget_steps"]
        color = looks[model]["color"]
        axis.plot(rows["gradient_share_initial"], missed, "^", mfc="white", color=color)
    axis.axvline(vanished, **style.DASHED)
    place = {"xycoords": axis.get_xaxis_transform(), "rotation": 90, "va": "center", "ha": "right"}
    style.note(axis, "1 / √(batch × steps)", (vanished, 0.5), (-3, 0), **place)
    axis.set_xlabel("gradient that reaches the first token, before training")
    axis.set_ylabel("training steps until solved")
    style.plain_log_ticks(axis.yaxis, "{:,.0f}", highest=cells["budget_steps"].max())
    lengths = biases.cells["seq_len"].unique()
    right = [measures.gradient_predicts(biases.at(n), vanished).value for n in lengths]
    share = style.span(right, percent)
    title(axis, f"Dose and response: one threshold is right in {share}")


def draw_runs(axis, run, looks, rows):
    """Steps until solved, a row per entry of `rows`, at the length that most of them have.

    One that lacks that length has its shortest, and its name says so. rows: {name: [experiment,
    model]}. Returns {name: Selection} of what the run has.
    """
    parts = {name: selected(run, *which) for name, which in rows.items()}
    lengths = [n for part in parts.values() if part for n in set(part.cells["seq_len"])]
    common, drawn = pd.Series(lengths, dtype=int).mode().max(), {}
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


def noise(parts):
    """How many times the steps of the largest batch the smallest one takes, in words."""
    texts, sizes = [], [part.cells["batch_size"].iloc[0] for part in parts]
    for model in dict.fromkeys(part.model for part in parts):
        of_model = [part for part in parts if part.model == model]
        ratio = measures.steps_ratio(of_model[0], of_model[-1])
        beyond = "more than " if math.isinf(ratio.value) else ""
        texts.append(beyond + style.times(ratio.limit if beyond else ratio.value))
    if len(set(sizes)) < 2:
        return "one batch size in this run"
    return f"batch {min(sizes)} takes {' and '.join(texts)} the steps of batch {max(sizes)}"


def draw_interventions(axis, run, looks):
    """Who solves it when the gradient is helped or cut; returns how many runs do, in words."""
    parts = draw_runs(axis, run, looks, ROWS["interventions"])
    shares = {name: measures.solved_share(part) for name, part in parts.items()}
    works = sum(share.value > 0.5 for share in shares.values())
    title(axis, f"The gradient helped and cut: {works} of {len(shares)} ways to train an LSTM work")
    counts = [f"{name} {share.value * share.n:.0f} of {share.n}" for name, share in shares.items()]
    return ", ".join(counts).replace("\n", " ")


def draw_moments(axis, run, looks):
    """When attention finds the first token, against when the loss drops."""
    part = selected(run, "readout", "transformer_last")
    if not part:
        return style.absent(axis, 0.5)
    draw_points(axis, part.cells, looks, "loss_drop_step", "attention_rise_step")
    budget = part.cells["budget_steps"].max()
    axis.plot([20, budget], [20, budget], **style.DASHED)
    axis.set(xlim=(20, budget), ylim=(20, budget))
    for one in (axis.xaxis, axis.yaxis):
        style.plain_log_ticks(one, "{:,.0f}", (1, 3))
    axis.set(xlabel="step at which the loss drops", ylabel="step at which attention finds it")
    lengths = part.cells["seq_len"].unique()
    leads = [measures.median(part.at(n), "attention_lead_steps").value for n in lengths]
    leads = [lead for lead in leads if not math.isnan(lead)]
    moment = f"{style.span(leads, '{:+.0f}'.format)} steps (medians)" if leads else "in no run"
    title(axis, f"Attention finds the token, then a Transformer's loss drops: {moment}")


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
            style.absent(axis, place, textwrap.fill([*errors, "no solved run"][0], 30))
        names.append(name)
    style.row_names(axis, names)
    axis.tick_params(axis="y", labelsize=8.5)
    axis.set(xlim=(-0.04, 1.04), xlabel="share of answers")
    return medians


if __name__ == "__main__":
    log.run(main, snakemake)
