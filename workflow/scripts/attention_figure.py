"""The figure of attention at each position at the end of training."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

FOOTER = "n = {n} seeds, of which the named number solved it; line: median, band: range over all"


def main(table, cells, mplstyle, png, svg):
    """Draw the table `attention` at the longest length, with how many runs solved the task."""
    table, cells = pd.read_parquet(table), pd.read_parquet(cells)
    with style.drawing(mplstyle, cells, FOOTER, png, svg, size=(6.4, 3.8)) as (axis,):
        axis.set(xlabel="position of the token", ylabel="mean attention")
        if table.empty:
            return
        longest = table["seq_len"].max()
        table, cells = (part[part["seq_len"] == longest] for part in (table, cells))
        style.headline(axis, finding(table))
        draw_models(axis, table, cells.groupby("model")["solved_step"].agg(["count", "size"]))


def finding(table):
    """Who looks at the first token most, in multiples of an even look."""
    first = table[table["position"] == 1]
    most = first.loc[first["attention_median"].idxmax()]
    times = style.times(most["attention_median"] / most["uniform"])
    name = style.title_of(most["model"])
    return f"After training, {name} looks at the first of {most['seq_len']} tokens {times} as much as evenly"


def draw_models(axis, table, solved):
    """Median and range over seeds of each model, and what an even look would be."""
    longest, even, ends = table["seq_len"].max(), table["uniform"].iloc[0], []
    for model, rows, look in style.models(table):
        style.band(axis, rows, "position", "attention", look)
        count, size = solved.loc[model]
        name = f"{style.title_of(model)} {count} of {size}"
        ends.append((name, longest, rows["attention_median"].iloc[-1], look["color"]))
    axis.axhline(even, **style.DASHED)
    style.note(axis, "an even look", (longest / 2, even), (0, 3), ha="center")
    axis.set(yscale="log", xlim=(0, longest))
    style.plain_log_ticks(axis.yaxis)
    style.label_ends(axis, ends)


if __name__ == "__main__":
    log.run(main, snakemake)
