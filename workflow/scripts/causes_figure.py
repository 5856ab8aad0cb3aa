"""The figure of causes: dose and response, the gradient cut and helped, what an answer follows."""

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

LSTM, TRANSFORMER = style.SHADES["recurrent"][0], style.SHADES["attention"][0]
THRESHOLD = 0.0032  # of the statement one_threshold: 1 / sqrt(batch x steps)
# Rows of the panel on interventions: name, experiment, model.
INTERVENTIONS = {
    "default": ("recall", "lstm"),
    "asked after\neach token": ("asked_everywhere", "lstm"),
    "short ones first": ("curriculum", "lstm"),
    "open gates\n(chrono)": ("gradient_cut", "lstm_chrono"),
    "open gates,\ngradient cut": ("gradient_cut", "lstm_chrono_cut"),
}
# Rows of the panel on answers: name, experiment, model, column.
FOLLOWED = {
    "LSTM: other's cell state": ("recall", "lstm_chrono", "swap_cell_follows"),
    "LSTM: other's hidden state": ("recall", "lstm_chrono", "swap_hidden_follows"),
    "Transformer: other's first value": ("readout", "transformer_last", "swap_value_follows"),
    "Transformer: first key alone": ("readout", "transformer_last", "only_first_accuracy"),
    "Transformer: without it": ("readout", "transformer_last", "forbid_first_accuracy"),
}
FOOTER = (
    "n = {n} seeds, a dot each, bar: median; open triangles: not solved within the budget. Answers: share that names the token of the exchanged part, or the right one where a key is"
    " allowed or forbidden; at the longest length"
)


def main(cells, mplstyle, png, svg):
    """Draw the cells of the experiments of causes; `cells` lists their tables."""
    cells = pd.concat([pd.read_parquet(path) for path in cells], ignore_index=True)
    dose = cells[cells["experiment"] == "forget_bias"]
    with style.drawing(mplstyle, dose, FOOTER, png, svg, size=(14, 4.2), panels=4) as axes:
        draw_dose(axes[0], dose)
        draw_interventions(axes[1], cells)
        draw_moments(axes[2], rows_of(cells, "readout", "transformer_last"))
        draw_followed(axes[3], cells)


def rows_of(cells, experiment, model):
    return cells[(cells["experiment"] == experiment) & (cells["model"] == model)]


def draw_dose(axis, cells):
    """Steps to solve against the share of the gradient that arrives before training."""
    axis.axvline(THRESHOLD, color="0.3", ls="--", lw=1.1)
    place = {"rotation": 90, "va": "center", "ha": "right", **style.SMALL}
    axis.text(
        THRESHOLD, 0.5, "1 / √(batch × steps) ", transform=axis.get_xaxis_transform(), **place
    )
    for (seq_len, rows), marker in zip(cells.groupby("seq_len"), "os^Dv", strict=False):
        share = rows["gradient_share_initial"]
        look = {"color": LSTM, "marker": marker, "linestyle": "none", "alpha": 0.7}
        axis.plot(share, rows["solved_step"], mew=0, label=f"{seq_len} tokens", **look)
        unsolved = rows["solved_step"].isna()
        missed = style.NOT_SOLVED * rows["budget_steps"]
        axis.plot(share[unsolved], missed[unsolved], "^", mfc="white", mec=LSTM)
    axis.set(
        xscale="log", yscale="log", xlabel="gradient that reaches the first token, before training"
    )
    axis.set_ylabel("training steps until solved")
    style.plain_log_ticks(axis.yaxis, "{:,.0f}", highest=cells["budget_steps"].max())
    above = cells["gradient_share_initial"] > THRESHOLD
    right = (above == cells["solved"]).mean()
    axis.set_title(f"Dose and response:\none threshold is right in {100 * right:.0f} %")
    axis.legend(fontsize=8.5, loc="lower left")


def draw_interventions(axis, cells):
    """Who solves it when the gradient is helped or cut, at the length that most of them have."""
    parts = {name: rows_of(cells, *which) for name, which in INTERVENTIONS.items()}
    lengths = pd.concat([rows["seq_len"].drop_duplicates() for rows in parts.values()])
    seq_len = lengths.mode().max()
    for place, (name, rows) in enumerate(parts.items()):
        parts[name] = rows[rows["seq_len"] == seq_len]
        style.runs(axis, place, parts[name], LSTM, "o")
    style.solving_axis(axis, pd.concat(parts.values()), list(parts))
    solved = sum(rows["solved"].mean() > 0.5 for rows in parts.values())
    axis.set_title(f"One LSTM, {seq_len} tokens:\n{solved} of {len(parts)} ways to train it work")


def draw_moments(axis, rows):
    """When attention finds the first token, against when the loss drops."""
    for (seq_len, group), marker in zip(rows.groupby("seq_len"), "os^Dv", strict=False):
        look = {"color": TRANSFORMER, "marker": marker, "linestyle": "none", "alpha": 0.7, "mew": 0}
        drop, rise = group["loss_drop_step"], group["attention_rise_step"]
        axis.plot(drop, rise, label=f"{seq_len} tokens", **look)
    ends = [rows["loss_drop_step"].min(), rows["loss_drop_step"].max()]
    axis.plot(ends, ends, color="0.3", lw=1.1, ls="--", zorder=1)
    budget = rows["budget_steps"].max()
    ticks = [n for n in (10, 30, 100, 300, 1000, 3000, 10_000) if n <= budget]
    for name in ("x", "y"):
        axis.set(**{f"{name}scale": "log", f"{name}lim": (20, budget)})
        axis.set(**{f"{name}ticks": ticks[1:], f"{name}ticklabels": [f"{n:,}" for n in ticks[1:]]})
    axis.minorticks_off()
    axis.set(xlabel="step at which the loss drops", ylabel="step at which attention finds it")
    lead = rows["attention_lead_steps"].dropna().median()
    moment = "no run was solved" if pd.isna(lead) else f"{lead:+.0f} steps after (median)"
    axis.set_title(f"A Transformer's loss drops\n{moment}")
    axis.legend(fontsize=8.5)


def draw_followed(axis, cells):
    """What the answers of trained models follow."""
    for place, (name, (experiment, model, column)) in enumerate(FOLLOWED.items()):
        rows = rows_of(cells, experiment, model)
        rows = rows[rows["solved"] & (rows["seq_len"] == rows["seq_len"].max())]
        color = LSTM if name.startswith("LSTM") else TRANSFORMER
        spread = place + np.linspace(-0.15, 0.15, len(rows))
        axis.plot(rows[column], spread, "o", color=color, alpha=0.7, mew=0)
        axis.vlines(rows[column].median(), place - 0.25, place + 0.25, color=color, lw=2.4)
    axis.set_yticks(range(len(FOLLOWED)), list(FOLLOWED), fontsize=8.5)
    axis.invert_yaxis()
    axis.set(xlim=(-0.04, 1.04), xlabel="share of answers")
    axis.set_title("What a trained model's\nanswer follows")


if __name__ == "__main__":
    log.run(main, snakemake)
