"""The figure of recall against distance: who solves it, and after how much training."""

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

FOOTER = (
    "n = {n} seeds. Left: runs solved, below them the 95 % interval of their share. Right: bars are 95 %"
    " intervals, cut at the budget; a triangle stands at a budget within which half of the runs or more"
    " were not solved"
)


def main(table, cells, mplstyle, png, svg):
    """Draw the table `distance`: runs solved, and the median of the steps it took."""
    table, cells = pd.read_parquet(table), pd.read_parquet(cells)
    look, ends = style.looks(table), []
    shape = {"size": (10, 4.2), "panels": 2, "width_ratios": [1, 1.15]}
    with style.drawing(mplstyle, cells, FOOTER, png, svg, **shape) as (left, right):
        style.headline([left], finding(table))
        draw_shares(left, table, look)
        for model, rows in table.groupby("model", sort=False):
            ends += draw_steps(right, style.title_of(model), rows, look[model])
        right.set(xscale="log", yscale="log", title="How much training it takes")
        right.set(xlabel="distance to the token to recall (tokens)")
        right.set(ylabel="training steps to solve, median")
        style.length_ticks(right, table["seq_len"].unique())
        right.margins(x=0.08, y=0.1)
        style.plain_log_ticks(right.yaxis, "{:,.0f}")
        style.label_ends(right, ends)


def finding(table):
    """What the longest distance takes of those that recall it in most runs."""
    longest = table["seq_len"].max()
    far = table[(table["seq_len"] == longest) & np.isfinite(table["steps_to_solve_median"])]
    far = far.sort_values("steps_to_solve_median")
    parts = (
        f"{row.steps_to_solve_median:,.0f} ({style.title_of(row.model)})"
        for row in far.iloc[[0, -1] if len(far) > 1 else slice(0, 1)].itertuples()
    )
    steps = " to ".join(parts)
    return (
        f"Recall over {longest} tokens takes {steps} steps"
        if steps
        else (f"No model recalls {longest} tokens in most runs")
    )


def draw_shares(axis, table, look):
    """A row per model, a column per distance: runs solved, the fuller the darker."""
    models, lengths = list(dict.fromkeys(table["model"])), sorted(table["seq_len"].unique())
    for row in table.itertuples():
        x, y = lengths.index(row.seq_len), models.index(row.model)
        color = look[row.model]["color"]
        axis.bar(x, 0.9, 0.94, y - 0.45, color=color, alpha=0.1 + 0.6 * row.solved_share)
        bounds = f"{100 * row.solved_low:.0f}–{100 * row.solved_high:.0f} %"
        ink = {"ha": "center", "va": "center", "color": "0.1"}
        axis.text(x, y - 0.1, f"{row.solved} of {row.n}", weight="bold", **ink)
        axis.text(x, y + 0.22, bounds, fontsize=8, **ink)
    axis.set_xticks(range(len(lengths)), [f"{n:,}" for n in lengths])
    axis.set_yticks(range(len(models)), map(style.title_of, models))
    axis.set(title="Who gets there", xlabel="distance to the token to recall (tokens)")
    axis.set(ylim=(len(models) - 0.5, -0.5))
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[["left", "bottom"]].set_visible(False)


def draw_steps(axis, name, rows, look):
    """Median steps to solve, joined where measured; one beyond the budget is a triangle there.

    Returns the line's end, if it has one.
    """
    median, budget = rows["steps_to_solve_median"], rows["budget_steps"]
    measured = np.isfinite(median)
    low = (median - rows["steps_to_solve_low"]).clip(lower=0)
    high = rows["steps_to_solve_high"].clip(upper=budget) - median
    bars = np.array([low, high])[:, measured].clip(0)
    axis.errorbar(rows["seq_len"][measured], median[measured], yerr=bars, **look)
    beyond = {"ms": 8, "mfc": "white", "mec": look["color"], "zorder": 3}
    axis.plot(rows["seq_len"][~measured], budget[~measured], "^", **beyond)
    end = median.iloc[-1] if measured.iloc[-1] else budget.iloc[-1]
    name += "" if measured.iloc[-1] else f", more than {budget.iloc[-1]:,}"
    return [(name, rows["seq_len"].iloc[-1], end, look["color"])]


if __name__ == "__main__":
    log.run(main, snakemake)
