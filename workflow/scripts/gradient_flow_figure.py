"""The figure of the gradient at each position, before, during and after training."""

from workflow.seqbench import log
from workflow.seqbench.judging.statements import option
from workflow.seqbench.results.selecting import read_table
from workflow.seqbench.showing import style
from workflow.seqbench.showing.text import digits

LIMITS = 1e-9, 1e3  # what is drawn; a number says how far a model goes on below


def main(table, cells, claims, mplstyle, png, svg):
    """Draw the table `gradient_flow` at the longest length, one panel per moment, log scale.

    The claim on vanishing gradients says below which share of the gradient at the last position the
    first token cannot be learned.
    """
    table, cells, vanished = read_table(table), read_table(cells), option(claims, "vanished")
    longest = table["seq_len"].max()
    table = table[table["seq_len"] == longest]
    table = table.assign(distance=table["seq_len"] - table["position"])
    moments = dict(list(table.groupby("moment", sort=False)))
    shape = {"size": (2.7 * len(moments) + 1.5, 4), "panels": len(moments), "sharey": True}
    with style.drawing(mplstyle, cells, "gradient_flow", png, svg, **shape) as axes:
        style.headline(axes[0], finding(next(iter(moments.values())), vanished))
        for axis, (moment, rows) in zip(axes, moments.items(), strict=True):
            for _, of_model, look in style.models(rows):
                style.band(axis, of_model, "distance", "gradient", look)
                if axis is axes[0]:  # of the initial weights
                    gate = {"lw": 0.9, "ls": ":", "c": look["color"]}
                    axis.plot("distance", "reference", data=of_model, **gate)
            axis.axhline(vanished, **style.DASHED)
            axis.set(yscale="log", xlim=(0, longest - 1), title=moment.capitalize())
            axis.set(xlabel="distance from the end (tokens)", ylim=LIMITS)
            first = rows[rows["position"] == 1].set_index("model")["gradient_median"]
            for model, value in first[first < LIMITS[0]].items():
                text = f"↓ {digits(value)} at the first token"
                ink = {"color": style.looks(rows)[model]["color"], "ha": "right"}
                style.note(axis, text, (longest - 1, LIMITS[0]), (-3, 4), **ink)
        note = f"the verdict's threshold, {vanished:.2g}"
        style.note(axes[0], note, (longest - 1, vanished), (-3, -3), ha="right", va="top")
        axes[0].set_ylabel("gradient, relative to the last token's")
        ends = [  # of the last panel
            (style.title_of(model), longest - 1, max(first[model], LIMITS[0]), look["color"])
            for model, look in style.looks(rows).items()
        ]
        style.label_ends({axis: ends})


def finding(rows, vanished):
    """Which models no gradient reaches the first token in."""
    lost = rows.loc[(rows["position"] == 1) & (rows["gradient_median"] < vanished), "model"]
    who = ", ".join(map(style.title_of, lost)) or "no model"
    tokens = rows["seq_len"].iloc[0]
    return f"{rows['moment'].iloc[0].capitalize()}, over {tokens} tokens the gradient vanishes in {who}"


if __name__ == "__main__":
    log.run(main, snakemake)
