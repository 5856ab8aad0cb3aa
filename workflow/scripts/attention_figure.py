"""The figure of attention at each position at the end of training."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style


def main(table, cells, mplstyle, png, svg):
    """Draw the table `attention` at the longest length, with how many runs solved the task."""
    table, cells = pd.read_parquet(table), pd.read_parquet(cells)
    footer = "n = {n} seeds, solved or not; line: median, band: range over them"
    with style.drawing(mplstyle, cells, footer, png, svg, size=(6.4, 3.8)) as axes:
        axes[0].set(xlabel="position of the token", ylabel="mean attention")
        if table.empty:
            return
        table = table[table["seq_len"] == table["seq_len"].max()]
        style.headline(axes, finding(table))
        draw_models(axes[0], table, cells[cells["seq_len"] == table["seq_len"].max()])


def finding(table):
    """Who looks at the first token most, in multiples of an even look."""
    first = table[table["position"] == 1]
    most = first.loc[first["attention_median"].idxmax()]
    times = style.times(most["attention_median"] / most["uniform"])
    name = style.title_of(most["model"])
    return f"After training, {name} looks at the first of {most['seq_len']} tokens {times} as much as evenly"


def draw_models(axis, table, cells):
    """Median and range over seeds of each model, and what an even look would be."""
    longest, even = table["seq_len"].max(), table["uniform"].iloc[0]
    look, ends = style.looks(table), []
    for model, rows in table.groupby("model", sort=False):
        color = look[model]["color"]
        axis.plot(rows["position"], rows["attention_median"], **style.line(look[model]))
        bounds = rows["attention_min"], rows["attention_max"]
        axis.fill_between(rows["position"], *bounds, color=color, alpha=0.15, lw=0)
        ended = cells[cells["model"] == model]
        solved = f"{ended['solved_step'].notna().sum()} of {len(ended)} solved"
        last, name = rows.iloc[-1], f"{style.title_of(model)}\n({solved})"
        ends.append((name, last["position"], last["attention_median"], color))
    axis.axhline(even, color="0.4", lw=0.9, ls=(0, (4, 2)))
    style.note(axis, "an even look", (longest / 2, even), (0, 3), ha="center")
    axis.set(yscale="log", xlim=(0, longest))
    style.plain_log_ticks(axis.yaxis)
    style.label_ends(axis, ends)


if __name__ == "__main__":
    log.run(main, snakemake)
