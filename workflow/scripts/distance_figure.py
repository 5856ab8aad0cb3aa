"""The figure of recall against distance: who solves it, and after how much training."""

import numpy as np

from workflow.seqbench import log
from workflow.seqbench.results.selecting import read_table
from workflow.seqbench.showing import style


def main(table, cells, mplstyle, png, svg):
    """Draw the table `distance`: runs solved, and the median of the steps it took."""
    table, cells = read_table(table), read_table(cells)
    shape = {"size": (9.6, 4.2), "panels": 2, "width_ratios": [1, 1.15]}
    with style.drawing(mplstyle, cells, "distance", png, svg, **shape) as (left, right):
        style.headline(left, finding(table))
        draw_shares(left, table)
        ends = [draw_steps(right, *of_model) for of_model in style.models(table)]
        right.set(xscale="log", yscale="log", title="How much training it takes")
        right.set_ylabel("training steps to solve, median")
        style.length_ticks(right, table["seq_len"].unique())
        right.margins(x=0.08, y=0.1)
        budget = table["budget_steps"].max()
        right.axhline(budget, **style.DASHED)
        style.plain_log_ticks(right.yaxis, highest=budget)
        for axis in (left, right):
            axis.set_xlabel("distance to the token to recall (tokens)")
        style.label_ends({right: ends})


def finding(table):
    """What the longest distance takes of those that recall it in most runs, and who does not."""
    longest = table["seq_len"].max()
    far = table[table["seq_len"] == longest].set_index("model")
    steps = far["steps_to_solve_median"].sort_values()
    solved, rest = steps[np.isfinite(steps)], steps[np.isinf(steps)].index
    ends = dict.fromkeys(solved.index[[0, -1]] if len(solved) else ())  # the fewest, the most
    parts = [" to ".join(f"{solved[m]:,.0f} for {style.title_of(m)}" for m in ends)]
    for model in rest:
        count = "{solved} of {n}".format(**far.loc[model])
        parts.append(f"{style.title_of(model)} gets there in {count} runs")
    return f"Steps to recall over {longest} tokens: {'; '.join(filter(None, parts))}"


def draw_shares(axis, table):
    """A row per model, a column per distance: runs solved, the fuller the darker."""
    lengths = sorted(table["seq_len"].unique())
    models, look = list(dict.fromkeys(table["model"])), style.looks(table)
    for row in table.itertuples():
        x, y = lengths.index(row.seq_len), models.index(row.model)
        color = look[row.model]["color"]
        axis.bar(x, 0.9, 0.94, y - 0.45, color=color, alpha=0.1 + 0.6 * row.solved_share)
        bounds = f"{100 * row.solved_low:.0f}–{100 * row.solved_high:.0f} %"
        ink = {"ha": "center", "va": "center", "color": "0.1"}
        axis.text(x, y - 0.1, f"{row.solved} of {row.n}", weight="bold", **ink)
        axis.text(x, y + 0.22, bounds, fontsize=8, **ink)
    axis.set_xticks(range(len(lengths)), [f"{n:,}" for n in lengths])
    style.row_names(axis, [*map(style.title_of, models)])
    axis.set_title("Who gets there")
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[["left", "bottom"]].set_visible(False)


def draw_steps(axis, model, rows, look):
    """Median steps to solve, joined where measured; one beyond the budget is a hollow mark above it.

    Returns (text, x, y, color) of the line's end.
    """
    x, median, budget = rows["seq_len"], rows["steps_to_solve_median"], rows["budget_steps"]
    beyond = np.isinf(median)
    low, high = rows["steps_to_solve_low"], rows["steps_to_solve_high"].clip(upper=budget)
    bars = np.clip([median - low, high - median], 0, None)
    axis.errorbar(x, median.mask(beyond), yerr=bars, **look)
    above = style.NOT_SOLVED * budget
    style.hollow(axis, x[beyond], above[beyond], look)
    name, end = style.title_of(model), median.iloc[-1]
    if beyond.iloc[-1]:
        name, end = f"{name}, more than {budget.iloc[-1]:,}", above.iloc[-1]
    return name, x.iloc[-1], end, look["color"]


if __name__ == "__main__":
    log.run(main, snakemake)
