"""The figure of attention at each position at the end of training."""

from workflow.seqbench import log
from workflow.seqbench.results.selecting import read_table
from workflow.seqbench.showing import style


def main(table, cells, mplstyle, png, svg):
    """Draw the table `attention` at the longest length, with how many runs solved the task."""
    table, cells = read_table(table), read_table(cells)
    with style.drawing(mplstyle, cells, "attention", png, svg, size=(6.4, 3.8)) as (axis,):
        axis.set(xlabel="position of the token", ylabel="mean attention")
        if table.empty:
            return
        longest = table["seq_len"].max()
        table, cells = (part[part["seq_len"] == longest] for part in (table, cells))
        solved = cells.groupby("model")["solved_step"].agg(["count", "size"])
        style.headline(axis, finding(table[table["model"].map(solved["count"]) > 0], longest))
        draw_models(axis, table, solved)


def finding(table, seq_len):
    """Who of those that solve it looks at the first token most, in multiples of an even look."""
    if table.empty:
        return f"No model that looks at its tokens recalls the first of {seq_len}"
    first = table[table["position"] == 1]
    most = first.loc[first["attention_median"].idxmax()]
    times = style.times(most["attention_median"] / most["uniform"])
    name = style.title_of(most["model"])
    return (
        f"After training, {name} looks at the first of {seq_len} tokens {times} as much as an even"
        " look would"
    )


def draw_models(axis, table, solved):
    """Median and range over seeds of each model, and what an even look would be."""
    longest, even, ends = table["seq_len"].max(), table["uniform"].iloc[0], []
    for model, rows, look in style.models(table):
        style.band(axis, rows, "position", "attention", look)
        count, size = solved.loc[model]
        name = f"{style.title_of(model)}, {count} of {size}"
        ends.append((name, longest, rows["attention_median"].iloc[-1], look["color"]))
    axis.axhline(even, **style.DASHED)
    style.note(axis, "an even look", (longest / 2, even), (0, 3), ha="center")
    axis.set(yscale="log", xlim=(0, longest))
    style.plain_log_ticks(axis.yaxis)
    style.label_ends({axis: ends})


if __name__ == "__main__":
    log.run(main, snakemake)
