"""The figure of read-outs: what each model takes to solve, with the last position read and with the mean."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

# One row of the figure each: its name, the model that reads the last position, and the mean.
ROWS = {
    "LSTM": ("lstm", "lstm_mean"),
    "LSTM, chrono": ("lstm_chrono", "lstm_chrono_mean"),
    "Transformer": ("transformer_last", "transformer_matched"),
    "Transformer, causal": ("transformer_last", "transformer_causal_mean"),
    "no mixing": ("feed_forward_last", "feed_forward_mean"),
}
COLORS = {"last": style.SHADES["recurrent"][0], "mean": style.SHADES["attention"][0]}
FOOTER = (
    "n = {n} seeds, a dot each, bar: median; open triangle: not solved within the budget. One layer that reads"
    " its last position computes the same, causal or not. No mixing: positions and feed-forward alone"
)


def main(cells, mplstyle, png, svg):
    """Draw the cells of the experiment `readout`, one panel per length."""
    cells = pd.read_parquet(cells)
    lengths = sorted(cells["seq_len"].unique())
    size, panels = (3 + 3.4 * len(lengths), 3.9), len(lengths)
    with style.drawing(
        mplstyle, cells, FOOTER, png, svg, size=size, panels=panels, sharey=True
    ) as axes:
        for axis, seq_len in zip(axes, lengths, strict=True):
            here = cells[cells["seq_len"] == seq_len]
            for place, models in enumerate(ROWS.values()):
                for model, (readout, color), side in zip(
                    models, COLORS.items(), (-0.17, 0.17), strict=True
                ):
                    marker = {"last": "o", "mean": "s"}[readout]
                    style.runs(axis, place + side, here[here["model"] == model], color, marker)
            style.solving_axis(axis, cells, list(ROWS))
            axis.set_title(f"{seq_len} tokens\n{verdict(here)}")
        for readout, marker in (("last position", "o"), ("mean of all", "s")):
            color = COLORS[readout.split()[0]]
            axes[0].plot([], [], marker, color=color, label=f"reads the {readout}")
        axes[0].figure.legend(loc="outside upper right", ncols=2)


def verdict(cells):
    """In how many models each read-out is solved by most seeds, in words."""
    solved = cells.groupby("model")["solved"].mean() > 0.5
    names = list(zip(*ROWS.values(), strict=True))
    last, mean = (sum(solved.get(name, False) for name in dict.fromkeys(side)) for side in names)
    return f"solved: last {last} of {len(dict.fromkeys(names[0]))}, mean {mean} of {len(names[1])}"


if __name__ == "__main__":
    log.run(main, snakemake)
