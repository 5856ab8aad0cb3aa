"""A figure of what each learning rate reaches, one line per model, one panel per sequence length."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style


def main(table, cells, mplstyle, png, svg):
    """Draw the final loss against the learning rate, with the chosen rate ringed."""
    summary, cells = pd.read_parquet(table), pd.read_parquet(cells)
    lengths, rates = sorted(summary["seq_len"].unique()), sorted(summary["lr"].unique())
    budgets = " / ".join(f"{budget:,}" for budget in sorted(summary["budget_steps"].unique()))
    footer, look = f"tuning seeds, budget {budgets} steps", style.looks(cells)
    shape = {"size": (1.5 + 4.5 * len(lengths), 3.6), "panels": len(lengths), "sharey": True}
    with style.drawing(mplstyle, cells, footer, png, svg, **shape) as axes:
        axes[0].set_ylabel("final loss (nats), median")
        for axis, seq_len in zip(axes, lengths, strict=True):
            ends = []
            for model, rows in summary[summary["seq_len"] == seq_len].groupby("model", sort=False):
                ends.append(draw_model(axis, model, rows.sort_values("lr"), look[model]))
            axis.set(xscale="log", title=f"{seq_len} tokens", xlabel="learning rate (ring: chosen)")
            axis.set_xticks(rates, [f"{lr:g}" for lr in rates])
            axis.minorticks_off()
            axis.set_xlim(right=max(rates) * (max(rates) / min(rates)) ** 0.7)
            axis.set_ylim(bottom=-0.1)
            style.label_ends(axis, ends, size=8)


def draw_model(axis, model, rows, look):
    """One model's losses; returns the line's end with its name."""
    loss = "final_loss_median_nats"
    axis.plot(rows["lr"], rows[loss], **look)
    best, ring = rows[rows["chosen"]], {"ms": 12, "mfc": "none", "clip_on": False}
    axis.plot(best["lr"], best[loss], "o", mec=look["color"], **ring)
    last = rows.iloc[-1]
    name = f"{style.title_of(model)}\nat best {rows['solved'].max()} of {last['n']} solved"
    return name, last["lr"], last[loss], look["color"]


if __name__ == "__main__":
    log.run(main, snakemake)
