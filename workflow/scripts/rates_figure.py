"""A figure of the learning rates that work: a row per model, a panel per sequence length."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

FOOTER = (
    "n = {{n}} tuning seeds, budget {budgets} steps; disc: all of them solved, half disc: some, open: none;"
    " bar: the rates at which all are; ring: chosen (most solved, then fewest steps, then lowest loss)"
)


def main(table, cells, mplstyle, png, svg):
    """Draw which rates solve the task, how many seeds of how many, and which one was chosen."""
    summary, cells = pd.read_parquet(table), pd.read_parquet(cells)
    lengths, models = dict(list(summary.groupby("seq_len"))), list(dict.fromkeys(cells["model"]))
    rates, budgets = sorted(summary["lr"].unique()), sorted(summary["budget_steps"].unique())
    footer = FOOTER.format(budgets=" / ".join(f"{budget:,}" for budget in budgets))
    size = (2.6 + 3.2 * len(lengths), 1.7 + 0.3 * len(models))
    shape = {"size": size, "panels": len(lengths), "sharey": True, "sharex": True}
    with style.drawing(mplstyle, cells, footer, png, svg, **shape) as axes:
        for axis, (seq_len, here) in zip(axes, lengths.items(), strict=True):
            widths = [
                draw_model(axis, models.index(model), rows, look["color"])
                for model, rows, look in style.models(here)
            ]
            works = sum(width > 0 for width in widths)
            axis.set_title(f"{seq_len} tokens: {works} of {len(widths)}\nhave a rate that works")
            axis.set(xscale="log", xlabel="learning rate")
            axis.set_xticks(rates, [f"{rate:g}" for rate in rates], fontsize=8.5)
            axis.minorticks_off()
        axis.set_xlim(min(rates) / 1.5, max(rates) * 1.5)
        style.row_names(axis, [*map(style.title_of, models)])


def draw_model(axis, place, rows, color):
    """One model's rates; returns over how many of them all seeds solve it, the window's width."""
    whole = rows.loc[rows["solved"] == rows["n"], "lr"]
    axis.hlines(place, whole.min(), whole.max(), color=color, lw=5, alpha=0.3)
    for row in rows.itertuples():
        fill = {0: "none", row.n: "full"}.get(row.solved, "left")
        disc = {"color": color, "markerfacecoloralt": "white", "ms": 8, "clip_on": False}
        axis.plot(row.lr, place, "o", fillstyle=fill, **disc)
        if row.chosen:
            axis.plot(row.lr, place, "o", mfc="none", mec="0.2", ms=13, mew=1.2, clip_on=False)
    return len(whole)


if __name__ == "__main__":
    log.run(main, snakemake)
