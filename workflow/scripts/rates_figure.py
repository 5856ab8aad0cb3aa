"""A figure of the learning rates that work: a row per model, a panel per sequence length."""

from workflow.seqbench import log
from workflow.seqbench.results.selecting import read_table
from workflow.seqbench.showing import style


def main(table, cells, mplstyle, png, svg):
    """Draw which rates solve the task, how many seeds of how many, and which one was chosen."""
    summary, cells = read_table(table), read_table(cells)
    lengths, models = dict(list(summary.groupby("seq_len"))), list(dict.fromkeys(cells["model"]))
    rates, budgets = sorted(summary["lr"].unique()), sorted(summary["budget_steps"].unique())
    footer = "rates" if summary["n"].max() > 1 else "rates_of_one_seed"
    size = (2.4 + 2.4 * len(lengths), 1.9 + 0.3 * len(models))
    shape = {"size": size, "panels": len(lengths), "sharey": True, "sharex": True}
    shape["about"] = {"budgets": " / ".join(f"{budget:,}" for budget in budgets)}
    with style.drawing(mplstyle, cells, footer, png, svg, **shape) as axes:
        style.headline(axes[0], finding(summary))
        for axis, (seq_len, here) in zip(axes, lengths.items(), strict=True):
            widths = [
                draw_model(axis, models.index(model), rows, look)
                for model, rows, look in style.models(here)
            ]
            works = sum(width > 0 for width in widths)
            axis.set_title(f"{seq_len} tokens: {works} of {len(widths)}\nhave a rate that works")
            axis.set(xscale="log", xlabel="learning rate")
            axis.set_xticks(rates, [f"{rate:g}" for rate in rates], fontsize=8.5)
            axis.minorticks_off()
        axis.set_xlim(min(rates) / 1.5, max(rates) * 1.5)
        style.row_names(axis, [*map(style.title_of, models)])


def finding(summary):
    """How often the best rate is the lowest or the highest that was tried."""
    lr, tried = summary["lr"], summary.groupby(["model", "seq_len"])["lr"]
    best = summary["chosen"] & (summary["solved"] > 0)
    outermost = (lr == tried.transform("min")) | (lr == tried.transform("max"))
    count = sum(best & outermost)
    beyond = ": a better one may lie beyond" if count else ""
    return f"{count} of {best.sum()} best learning rates are the lowest or highest tried{beyond}"


def draw_model(axis, place, rows, look):
    """One model's rates, and how wide the window of those is at which all seeds solve it.

    Returns over how many rates that is.
    """
    color, marker = look["color"], look["marker"]
    whole = rows.loc[rows["solved"] == rows["n"], "lr"]
    axis.hlines(place, whole.min(), whole.max(), color=color, lw=5, alpha=0.3)
    for row in rows.itertuples():
        fill = {0: "none", row.n: "full"}.get(row.solved, "left")
        mark = {"color": color, "markerfacecoloralt": "white", "ms": 8, "clip_on": False}
        axis.plot(row.lr, place, marker, fillstyle=fill, **mark)
        if row.chosen:
            axis.plot(row.lr, place, "o", mfc="none", mec="0.2", ms=13, mew=1.2, clip_on=False)
    if len(whole):
        ends = {whole.min(), whole.max()} & {rows["lr"].min(), rows["lr"].max()}
        width = style.times(whole.max() / whole.min())
        right = {"xycoords": axis.get_yaxis_transform(), "va": "center", "fontsize": 8.5}
        style.note(axis, f"≥ {width}" if ends else width, (1, place), (6, 0), **right)
    return len(whole)


if __name__ == "__main__":
    log.run(main, snakemake)
