"""How numbers are written: in tables, verdicts and figures, each kind of quantity in one way."""

import math

import pandas as pd

from workflow.seqbench.results.statistics import CONFIDENCE

SHARES = ("solved_share", "zero_loss_share", "distance_share", "gradient_predicts")


def missing(value):
    return value is None or bool(pd.isna(value))


def of(text):
    """A format for a single value, with a dash where there is none."""
    return lambda value: "–" if missing(value) else text(value)


def digits(value):
    """Three digits with their zeros: 1.00, 0.420, 24.0; tiny ones as 6e-22."""
    if math.isinf(value):
        return "∞"
    if 0 < abs(value) < 1e-3:
        return f"{value:.0e}"
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"


@of
def number(value):
    """Three significant digits, a dash for nothing, whole counts with separators."""
    if isinstance(value, float):
        if math.isinf(value):
            return "∞"
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@of
def seconds(value):
    """Seconds with the unit that reads best: 1.25 ms."""
    if math.isinf(value):
        return "∞"
    units = ((1, "s"), (1e3, "ms"), (1e6, "µs"))
    factor, unit = next((u for u in units if value * u[0] >= 1), units[-1])
    return f"{value * factor:.3g} {unit}"


plain = of("{:g}".format)
percent = of(lambda value: f"{100 * value:.0f} %")
whole = of("{:,.0f}".format)
scientific = of("{:.1e}".format)
megabytes = of(lambda value: number(value * 1e-6))
millions = of(lambda value: f"{value / 1e6:.3g} M")
never = of(lambda value: "never" if math.isinf(value) else f"{whole(value)} tokens")
optional = of(lambda value: whole(value) if value else "–")
quoted, bold = "“{}”".format, "**{}**".format


def tick(value):
    return "✓" if value else ""


def dash(text):
    return text or "–"


def length(value):
    return "all" if missing(value) else whole(value)


def longer(accuracy, error):
    """Accuracy on longer sequences; why there is none where a model cannot read them."""
    if missing(accuracy):
        return "cannot" if error else "–"
    return number(accuracy)


def place(seq_len, where):
    """The length, or the lengths, that a finding speaks of."""
    return where.removesuffix(" tokens") or "–" if missing(seq_len) else whole(seq_len)


def measured(measure, options):
    """ "median of final loss" for a measure and its options."""
    return (
        f"{measure} {options}".replace("_", " ").replace("loose True", "by one evaluation").strip()
    )


def total(*values):
    return str(sum(values))


def interval(value, low, high, text=digits, level=""):
    """A value with its bounds: 0.420 [0.400, 0.440]; the one format of an interval.

    text: how numbers are written; a value that is text already is left as it is.
    """
    if missing(value):
        return "–"
    name = value if isinstance(value, str) else text(value)
    if not missing(low) and math.isclose(low, high):  # the same in every run
        return name
    bounds = f"{text(low)}, {text(high)}"
    if missing(low):
        bounds, level = "no interval", ""
    elif text(high) == "∞":
        bounds = f"at least {text(low)}"
    return f"{name} [{bounds}{level}]"


def seconds_interval(value, low, high):
    return interval(value, low, high, seconds)


def steps_interval(value, low, high, limit, level=""):
    """Steps with their bounds; infinity means more than the limit."""

    def text(steps):
        return f"more than {whole(limit)}" if math.isinf(steps) else whole(steps)

    return interval(value, low, high, text, level)


def share(value, low, high, n, level=""):
    """Runs out of n, with the interval of their share: 6 of 6 [54 %, 100 %]."""
    if missing(value):
        return "–"
    return interval(f"{round(value * n)} of {n}", low, high, percent, level)


def tokens(value, low, high, level=""):
    """A length at which something happens; where nothing in range bounds it, what is known."""
    if missing(value):
        return "–"
    if low == 0 and high == math.inf:
        return f"{interval(value, math.nan, math.nan, whole)} tokens"
    if low == 0:
        return f"at or below {whole(high)} tokens"
    if high == math.inf:
        return f"at or above {whole(low)} tokens"
    return f"{whole(value) if missing(low) else interval(value, low, high, whole, level)} tokens"


def equal(value, low, high, note):
    return (note or "") if missing(value) else tokens(value, low, high)


def state(fixed, per_token):
    """ "1,024" where it does not grow, "256 per token" where it grows from nothing."""
    if missing(fixed):
        return "–"
    parts = [whole(fixed)] if fixed or not per_token else []
    return " + ".join(parts + ([f"{whole(per_token)} per token"] if per_token else []))


def accepted(low, high):
    """Bounds in words: 44.5 to 178, at most 1e-15, at least 500."""
    if missing(low):
        return "–"
    bounds = [plain(x) if abs(x) < 1000 else whole(x) for x in (low, high)]
    if low == -math.inf:
        return f"at most {bounds[1]}"
    return f"at least {bounds[0]}" if high == math.inf else " to ".join(bounds)


def finding(row):
    """The estimate of a row of `findings`, with its interval, its confidence if unusual, its note."""
    if missing(row.value):
        return row.note or row.method
    estimate = row.value, row.low, row.high
    level = "" if row.confidence == CONFIDENCE else f"; {100 * row.confidence:.3g} %"
    if row.measure in SHARES:
        text = share(*estimate, row.n, level)
    elif row.measure == "steps_to_solve":
        text = steps_interval(*estimate, row.limit, level)
    elif row.measure in ("crossing", "overtakes"):
        text = tokens(*estimate, level)
    elif math.isinf(row.value) and not missing(row.limit):
        bound = f"more than {digits(row.limit)}" if row.limit else "an unknown number of"
        text = interval(bound, row.low, row.high, level=level)
    else:
        text = interval(*estimate, level=level)
    return f"{text} ({row.note})" if row.note else text
