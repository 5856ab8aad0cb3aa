"""Figure `memory`: training loss against steps, one panel a sequence length."""

import matplotlib.pyplot as plt

from workflow.seqbench.style import conditions, label_ends, looks, save, title_of

ORIGINAL_STEPS = 500
SMOOTHING = 10  # steps of the running mean that a line shows; single steps are too noisy to read


def draw(summary, cells, curves, style, *paths):
    """Draw the curves (one row a model, seq_len, seed, step) with the floors of the table `recall`."""
    lengths = sorted(summary["seq_len"].unique())
    with plt.style.context(style):
        figure, axes = plt.subplots(
            1,
            len(lengths),
            figsize=(2.2 + 3.4 * len(lengths), 4.2),
            sharex=True,
            sharey=True,
            squeeze=False,
        )
        look = looks(cells)
        longest, labels = curves["step"].max(), {}
        for axis, seq_len in zip(axes[0], lengths, strict=True):
            rows = summary[summary["seq_len"] == seq_len]
            draw_floors(axis, rows.iloc[0])
            ends = draw_curves(axis, curves[curves["seq_len"] == seq_len], look)
            solved = {row.model: f"{row.solved} of {row.n} solved" for row in rows.itertuples()}
            labels[axis] = [
                (f"{title_of(model)}\n{solved[model]}", longest, y, color)
                for model, y, color in ends
            ]
            axis.axvline(ORIGINAL_STEPS, color="0.6", lw=0.8, ls=":", zorder=0)
            axis.set_title(f"{seq_len} tokens")
            axis.set_xlabel("training steps")
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter("{x:,.0f}")
            axis.set_xlim(SMOOTHING, longest * 9)
        axes[0][0].set_ylabel("training loss (nats), lower is better")
        axes[0][0].set_ylim(-0.45, 5.1)
        if longest > ORIGINAL_STEPS:
            axes[0][0].annotate(
                "the original\nstopped here",
                (ORIGINAL_STEPS, 2.3),
                xytext=(4, 0),
                textcoords="offset points",
                color="0.45",
                fontsize=7.5,
            )
        for axis, ends in labels.items():
            label_ends(axis, ends, size=8)
        conditions(
            figure,
            cells,
            "seeds; thick: median over seeds (a run that ended counts with its last loss), thin: each seed; running means",
        )
        save(figure, *paths)


def draw_floors(axis, row):
    """What can be reached without any memory of the order: chance and a bag of tokens."""
    for loss, name in (
        (row["chance_loss_nats"], "chance"),
        (row["bag_of_tokens_loss_nats"], "counts tokens, no order"),
    ):
        axis.axhline(loss, color="0.4", lw=0.9, ls=(0, (4, 2)), zorder=1)
        axis.annotate(
            name,
            (SMOOTHING, loss),
            xytext=(3, -2),
            textcoords="offset points",
            color="0.3",
            fontsize=7.5,
            va="top",
        )


def draw_curves(axis, curves, look):
    """Median and seeds of each model; returns (model, y, color) of each median's end."""
    ends = []
    for model, rows in curves.groupby("model", sort=False):
        wide = rows.pivot(index="step", columns="seed", values="train_loss")
        # A run that ended stays where it was: it is not missing from the median.
        smooth = wide.ffill().rolling(SMOOTHING, min_periods=1).mean()
        style = {"color": look[model]["color"], "linestyle": look[model]["linestyle"]}
        axis.plot(
            smooth.index, smooth.where(wide.notna()), lw=0.6, alpha=0.45, color=style["color"]
        )
        median = smooth.median(axis=1)
        axis.plot(median.index, median, lw=2, **style)
        ends.append((model, median.iloc[-1], style["color"]))
    return ends
