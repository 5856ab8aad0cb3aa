"""The figure of recall against distance: who solves it, and after how much training."""

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

FOOTER = (
    "seeds; bars: 95 % intervals, cut at the budget; open triangle, at the budget: half of the seeds or"
    " more not solved within it"
)


def main(table, cells, mplstyle, png, svg):
    """Draw the table `distance`: share of runs solved, and the median of the steps it took."""
    table, cells = pd.read_parquet(table), pd.read_parquet(cells)
    look = style.looks(table)
    with style.drawing(mplstyle, cells, FOOTER, png, svg, size=(10, 3.9), panels=2) as axes:
        ends = {axis: [] for axis in axes}
        for model, rows in table.groupby("model", sort=False):
            for axis, draw in zip(axes, (draw_share, draw_steps), strict=True):
                ends[axis].append(draw(axis, style.title_of(model), rows, look[model]))
        for axis in axes:
            axis.set_xscale("log")
            axis.set_xlabel("distance to the token to recall (tokens)")
            style.length_ticks(axis, table["seq_len"].unique())
            axis.set_xlim(right=table["seq_len"].max() * 3.2)
        axes[0].set(ylim=(-3, 103), ylabel="runs that solved it (%)", title="Who gets there")
        axes[1].set(yscale="log", ylabel="training steps to solve, median")
        axes[1].set_title("How much training it takes")
        axes[1].margins(y=0.15)
        style.plain_log_ticks(axes[1], "{:,.0f}")
        for axis, labels in ends.items():
            style.label_ends(axis, labels)


def draw_share(axis, name, rows, look):
    """Share of runs solved with its interval; returns the line's end."""
    value = 100 * rows["solved_share"]
    bars = np.array([value - 100 * rows["solved_low"], 100 * rows["solved_high"] - value])
    axis.errorbar(rows["seq_len"], value, yerr=bars.clip(0), **look)
    return name, rows["seq_len"].iloc[-1], value.iloc[-1], look["color"]


def draw_steps(axis, name, rows, look):
    """Median steps to solve; one that is not solved within its budget is a triangle there."""
    median, budget = rows["steps_to_solve_median"], rows["budget_steps"]
    censored = np.isinf(median)
    low = (median - rows["steps_to_solve_low"]).clip(lower=0)
    high = rows["steps_to_solve_high"].clip(upper=budget) - median
    bars = np.array([low, high])[:, ~censored].clip(0)
    axis.errorbar(rows["seq_len"][~censored], median[~censored], yerr=bars, **look)
    axis.plot(
        rows["seq_len"][censored], budget[censored], "^", ms=9, mfc="white", mec=look["color"]
    )
    end = budget.iloc[-1] if censored.iloc[-1] else median.iloc[-1]
    name += " (unsolved)" if censored.iloc[-1] else ""
    return name, rows["seq_len"].iloc[-1], end, look["color"]


if __name__ == "__main__":
    log.run(main, snakemake)
