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
            widths = windows(here)
            for model, rows, look in style.models(here):
                draw_model(axis, models.index(model), rows, look, widths.get(model))
            count = f"{len(widths)} of {here['model'].nunique()}"
            axis.set_title(f"{seq_len} tokens: {count}\nhave a rate that works")
            axis.set(xscale="log", xlabel="learning rate (thousandths)")
            axis.set_xticks(rates, [f"{1000 * rate:g}" for rate in rates])
            axis.minorticks_off()
        axis.set_xlim(min(rates) / 1.5, max(rates) * 1.5)
        style.row_names(axis, [*map(style.title_of, models)])


def windows(rows):
    """{model: (how many times its lowest rate that works its highest is, and whether it may be more)}.

    A rate works at which all seeds solve the task.
    """
    found = {}
    for model, of_model in rows.groupby("model", sort=False):
        works, tried = of_model.loc[of_model["solved"] == of_model["n"], "lr"], of_model["lr"]
        if len(works):
            ends = {works.min(), works.max()} & {tried.min(), tried.max()}
            found[model] = works.max() / works.min(), bool(ends)
    return found


def finding(summary):
    """How far apart the rates that work are at the longest length: where least, where most."""
    longest = summary["seq_len"].max()
    widths = windows(summary[summary["seq_len"] == longest])
    texts = {model: in_words(*width) for model, width in widths.items()}
    order = sorted(widths, key=widths.get)
    ends = dict.fromkeys(texts[order[i]] for i in (0, -1)) if order else {}
    if not ends:
        return f"At {longest} tokens no rate of those tried works"
    parts = (f"{text} for {style.listed(m for m in texts if texts[m] == text)}" for text in ends)
    return f"At {longest} tokens the rates that work span {' to '.join(parts)}"


def in_words(width, more):
    """10× or ≥ 10×; one rate where no other works."""
    if width == 1:
        return "at least one rate" if more else "one rate"
    times = style.times(width).replace(".0×", "×")  # rates are set, not measured
    return f"≥ {times}" if more else times


def draw_model(axis, place, rows, look, width):
    """One model's rates, and how wide the window of those is at which all seeds solve it."""
    color, marker = look["color"], look["marker"]
    whole = rows.loc[rows["solved"] == rows["n"], "lr"]
    axis.hlines(place, whole.min(), whole.max(), color=color, lw=5, alpha=0.3)
    for row in rows.itertuples():
        fill = {0: "none", row.n: "full"}.get(row.solved, "left")
        mark = {"color": color, "markerfacecoloralt": "white", "ms": 8, "clip_on": False}
        axis.plot(row.lr, place, marker, fillstyle=fill, **mark)
        if row.chosen:
            axis.plot(row.lr, place, "o", mfc="none", mec="0.2", ms=13, mew=1.2, clip_on=False)
    if width:
        right = {"xycoords": axis.get_yaxis_transform(), "va": "center", "fontsize": 8.5}
        style.note(axis, in_words(*width), (1, place), (6, 0), **right)


if __name__ == "__main__":
    log.run(main, snakemake)
