"""The figure of attention at each position at the end of training."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style


def main(table, cells, mplstyle, png, svg):
    """Draw the table `attention` at the longest length, with how many runs solved the task."""
    table, cells = pd.read_parquet(table), pd.read_parquet(cells)
    footer = "seeds, line: median, band: range, solved or not"
    with style.drawing(mplstyle, cells, footer, png, svg, size=(6, 3.4)) as (axis,):
        if len(table):
            draw_models(axis, table[table["seq_len"] == table["seq_len"].max()], cells)
        axis.set(xlabel="position of the token", ylabel="mean attention")


def draw_models(axis, table, cells):
    """Median and range over seeds of each model, and what an even look would be."""
    longest, even = table["seq_len"].max(), table["uniform"].iloc[0]
    look = style.looks(table)
    for i, (model, rows) in enumerate(table.groupby("model", sort=False)):
        color = look[model]["color"]
        axis.plot(rows["position"], rows["attention_median"], **style.line(look[model]))
        bounds = rows["attention_min"], rows["attention_max"]
        axis.fill_between(rows["position"], *bounds, color=color, alpha=0.15, lw=0)
        ended = cells[(cells["model"] == model) & (cells["seq_len"] == longest)]
        solved = f"{ended['solved_step'].notna().sum()} of {len(ended)} solved"
        times = f"{rows['attention_median'].iloc[0] / even:.0f} times an even look"
        at = (0.06, 0.9 - 0.09 * i)
        text = f"{style.title_of(model)} ({solved}): {times}"
        style.note(axis, text, at, (0, 0), xycoords="axes fraction", color=color, fontsize=9)
    axis.axhline(even, color="0.4", lw=0.9, ls=(0, (4, 2)))
    style.note(axis, "an even look", (longest, even), (0, 3), ha="right")
    axis.set_yscale("log")
    axis.set_title(f"Where models look at the end of training, {longest} tokens")


if __name__ == "__main__":
    log.run(main, snakemake)
