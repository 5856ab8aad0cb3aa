"""The figure of causes: dose and response, the gradient cut and helped, what an answer follows."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.judging.statements import option
from workflow.seqbench.showing import style

LSTM, TRANSFORMER = style.LSTM, style.TRANSFORMER
FOOTER = (
    "n = {n} seeds, a dot each, bar: median; open triangles: not solved within the budget. Answers: share that names the token of the exchanged part, or the right one where a key is"
    " allowed or forbidden; at the longest length"
)


def main(cells, causes, mplstyle, png, svg):
    """Draw the cells of the experiments of causes; `cells` lists their tables.

    The statement on one threshold, in the file `causes`, says which share of the gradient that is.
    """
    cells = pd.concat([pd.read_parquet(path) for path in cells], ignore_index=True)
    dose = cells[cells["experiment"] == "forget_bias"]
    with style.drawing(mplstyle, dose, FOOTER, png, svg, size=(14, 4.2), panels=4) as axes:
        draw_dose(axes[0], dose, option(causes, "vanished"))
        draw_interventions(axes[1], cells)
        draw_moments(axes[2], rows_of(cells, "readout", "transformer_last"))
        draw_followed(axes[3], cells)


def rows_of(cells, experiment, model):
    return cells[(cells["experiment"] == experiment) & (cells["model"] == model)]


def by_length(axis, cells, x, y, color):
    """A mark for each cell, another for each length, on logarithmic axes."""
    for (seq_len, rows), marker in zip(cells.groupby("seq_len"), "os^Dv", strict=False):
        look = {"color": color, "marker": marker, "linestyle": "none", "alpha": 0.7, "mew": 0}
        axis.plot(rows[x], rows[y], label=f"{seq_len} tokens", **look)
    axis.set(xscale="log", yscale="log")
    axis.legend(fontsize=8.5)


def draw_dose(axis, cells, threshold):
    """Steps to solve against the share of the gradient that arrives before training."""
    axis.axvline(threshold, **style.DASHED)
    place = {"xycoords": axis.get_xaxis_transform(), "rotation": 90, "va": "center", "ha": "right"}
    style.note(axis, "1 / √(batch × steps)", (threshold, 0.5), (-3, 0), **place)
    by_length(axis, cells, "gradient_share_initial", "solved_step", LSTM)
    unsolved = cells[cells["solved_step"].isna()]
    missed = style.NOT_SOLVED * unsolved["budget_steps"]
    axis.plot(unsolved["gradient_share_initial"], missed, "^", mfc="white", mec=LSTM)
    axis.set_xlabel("gradient that reaches the first token, before training")
    axis.set_ylabel("training steps until solved")
    style.plain_log_ticks(axis.yaxis, "{:,.0f}", highest=cells["budget_steps"].max())
    above = cells["gradient_share_initial"] > threshold
    right = (above == cells["solved"]).mean()
    axis.set_title(f"Dose and response:\none threshold is right in {100 * right:.0f} %")


def draw_interventions(axis, cells):
    """Who solves it when the gradient is helped or cut, at the length that most of them have."""
    rows = {name: rows_of(cells, *which) for name, which in style.SPEC["interventions"].items()}
    lengths = pd.concat([part["seq_len"].drop_duplicates() for part in rows.values()])
    seq_len = lengths.mode().max()
    rows = {name: part[part["seq_len"] == seq_len] for name, part in rows.items()}
    for place, part in enumerate(rows.values()):
        style.runs(axis, place, part, LSTM, "o")
    style.solving_axis(axis, pd.concat(rows.values()), list(rows))
    solved = sum(part["solved"].mean() > 0.5 for part in rows.values())
    axis.set_title(f"One LSTM, {seq_len} tokens:\n{solved} of {len(rows)} ways to train it work")


def draw_moments(axis, rows):
    """When attention finds the first token, against when the loss drops."""
    by_length(axis, rows, "loss_drop_step", "attention_rise_step", TRANSFORMER)
    budget = rows["budget_steps"].max()
    axis.plot([20, budget], [20, budget], **style.DASHED)
    axis.set(xlim=(20, budget), ylim=(20, budget))
    for one in (axis.xaxis, axis.yaxis):
        style.plain_log_ticks(one, "{:,.0f}", (1, 3))
    axis.set(xlabel="step at which the loss drops", ylabel="step at which attention finds it")
    lead = rows["attention_lead_steps"].dropna().median()
    moment = "no run was solved" if pd.isna(lead) else f"{lead:+.0f} steps after (median)"
    axis.set_title(f"A Transformer's loss drops\n{moment}")


def draw_followed(axis, cells):
    """What the answers of trained models follow."""
    followed = style.SPEC["followed"]
    for place, (name, (experiment, model, column)) in enumerate(followed.items()):
        rows = rows_of(cells, experiment, model)
        rows = rows[rows["solved"] & (rows["seq_len"] == rows["seq_len"].max())]
        color = LSTM if name.startswith("LSTM") else TRANSFORMER
        style.dots(axis, place, rows[column], color, "o")
    style.row_names(axis, list(followed))
    axis.tick_params(axis="y", labelsize=8.5)
    axis.set(xlim=(-0.04, 1.04), xlabel="share of answers")
    axis.set_title("What a trained model's\nanswer follows")


if __name__ == "__main__":
    log.run(main, snakemake)
