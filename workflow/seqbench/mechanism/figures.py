"""Figures of the mechanism: distance, gradient_flow, attention."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

from workflow.seqbench.style import label_ends, looks, plain_ticks, save, title_of


def draw_distance(table, style, *paths):
    """Solved share, and steps to solve with unsolved medians as arrows at the budget."""
    with plt.style.context(style):
        figure, (share, steps) = plt.subplots(1, 2, figsize=(10, 3.9))
        look = looks(table)
        models = list(look)
        ends = {share: [], steps: []}
        for i, (model, rows) in enumerate(table.groupby("model", sort=False)):
            x = rows["seq_len"] * 1.04 ** (i - (len(models) - 1) / 2)  # apart, where lines coincide
            value = rows["solved_share"]
            bars = [value - rows["solved_low"], rows["solved_high"] - value]
            share.errorbar(x, 100 * value, yerr=100 * np.array(bars), **look[model])
            ends[share].append(
                (title_of(model), x.iloc[-1], 100 * value.iloc[-1], look[model]["color"])
            )

            median = rows["steps_to_solve_median"]
            open_end = np.isinf(median)
            shown = median.where(~open_end, rows["budget_steps"])
            steps.plot(x, shown, color=look[model]["color"], ls=look[model]["linestyle"], lw=1)
            solved = rows[~open_end]
            bars = np.clip(
                [
                    solved["steps_to_solve_median"] - solved["steps_to_solve_low"],
                    solved["steps_to_solve_high"].clip(upper=solved["budget_steps"])
                    - solved["steps_to_solve_median"],
                ],
                0,
                None,
            )
            steps.errorbar(
                x[~open_end],
                solved["steps_to_solve_median"],
                yerr=bars,
                **(look[model] | {"linestyle": ""}),
            )
            steps.plot(
                x[open_end], shown[open_end], "^", ms=9, mfc="white", mec=look[model]["color"]
            )
            name = title_of(model) + (" (unsolved)" if open_end.iloc[-1] else "")
            ends[steps].append((name, x.iloc[-1], shown.iloc[-1], look[model]["color"]))
        for axis in (share, steps):
            axis.set_xscale("log")
            axis.set_xlabel("distance to the token to recall (tokens)")
            plain_ticks(axis, table["seq_len"].unique())
            axis.set_xlim(right=table["seq_len"].max() * 3.2)
        share.set_ylim(-3, 103)
        share.set_ylabel("runs that solved it (%)")
        share.set_title("Who gets there")
        steps.set_yscale("log")
        steps.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        steps.yaxis.set_major_formatter("{x:,.0f}")
        steps.yaxis.set_minor_locator(NullLocator())
        steps.margins(y=0.15)
        steps.set_ylabel("training steps to solve, median")
        steps.set_title("How much training it takes")
        for axis, labels in ends.items():
            label_ends(axis, labels)
        figure.supxlabel(
            f"n = {table['n'].max()} seeds; bars: 95 % intervals, cut at the budget; open triangle: half of the seeds or more "
            "not solved within the model's budget of steps, where it stands",
            fontsize=7.5,
            color="0.35",
            x=0.01,
            ha="left",
        )
        save(figure, *paths)


def draw_gradient_flow(table, style, *paths):
    """Gradient norm against position at the longest length, one panel a moment, log scale."""
    table = table[table["seq_len"] == table["seq_len"].max()]
    moments = list(table["moment"].unique())
    with plt.style.context(style):
        figure, axes = plt.subplots(
            1, len(moments), figsize=(4.2 * len(moments) + 1, 4.2), sharey=True, squeeze=False
        )
        look = looks(table)
        for axis, moment in zip(axes[0], moments, strict=True):
            for model, rows in table[table["moment"] == moment].groupby("model", sort=False):
                style_of = {key: look[model][key] for key in ("color", "linestyle")}
                axis.plot(rows["position"], rows["gradient_median"], **style_of)
                axis.fill_between(
                    rows["position"],
                    rows["gradient_min"],
                    rows["gradient_max"],
                    color=style_of["color"],
                    alpha=0.15,
                    lw=0,
                )
                if moment == "before training" and rows["reference"].notna().all():
                    axis.plot(
                        rows["position"], rows["reference"], color=style_of["color"], lw=0.9, ls=":"
                    )
            axis.set_yscale("log")
            axis.set_title(moment.capitalize())
            axis.set_xlabel("position of the token")
            axis.set_xticks(np.unique(np.linspace(1, table["seq_len"].max(), 5).round()))
            axis.set_xlim(1, table["seq_len"].max() * 1.55)
        axes[0][0].set_ylabel("gradient of the loss at the token's embedding")
        bottom, top = axes[0][0].get_ylim()
        axes[0][0].set_ylim(bottom, top * (top / bottom) ** 0.12)  # room for the labels
        for axis, moment in zip(axes[0], moments, strict=True):
            rows = table[(table["moment"] == moment) & (table["position"] == table["seq_len"])]
            label_ends(
                axis,
                [
                    (title_of(r.model), r.position, r.gradient_median, look[r.model]["color"])
                    for r in rows.itertuples()
                ],
                size=8,
            )
        figure.supxlabel(
            f"{table['seq_len'].max()} tokens; the token to recall is the first; n = {table['n'].max()} seeds, "
            "line: median, band: range; dotted: what the LSTM's initial forget gate alone would leave, "
            "mean of f^distance",
            fontsize=7.5,
            color="0.35",
            x=0.01,
            ha="left",
        )
        save(figure, *paths)


def draw_attention(table, style, *paths):
    """Attention at the end of training against position, at the longest length."""
    with plt.style.context(style):
        figure, axis = plt.subplots(figsize=(6, 3.4))
        if len(table):
            table = table[table["seq_len"] == table["seq_len"].max()]
            look = looks(table)
            for i, (model, rows) in enumerate(table.groupby("model", sort=False)):
                color = look[model]["color"]
                axis.plot(
                    rows["position"],
                    rows["attention_median"],
                    color=color,
                    ls=look[model]["linestyle"],
                )
                axis.fill_between(
                    rows["position"],
                    rows["attention_min"],
                    rows["attention_max"],
                    color=color,
                    alpha=0.15,
                    lw=0,
                )
                first = rows.iloc[0]
                axis.annotate(
                    f"{title_of(model)}: {first['attention_median'] * first['seq_len']:.0f} times an even look",
                    (0.06, 0.9 - 0.09 * i),
                    xycoords="axes fraction",
                    color=color,
                    fontsize=9,
                )
            axis.axhline(table["uniform"].iloc[0], color="0.4", lw=0.9, ls=(0, (4, 2)))
            axis.annotate(
                "an even look",
                (table["seq_len"].max(), table["uniform"].iloc[0]),
                xytext=(0, 3),
                textcoords="offset points",
                color="0.3",
                fontsize=7.5,
                ha="right",
            )
            axis.set_yscale("log")
            axis.set_title(f"Where a trained Transformer looks, {table['seq_len'].max()} tokens")
        axis.set_xlabel("position of the token")
        axis.set_ylabel("mean attention")
        save(figure, *paths)
