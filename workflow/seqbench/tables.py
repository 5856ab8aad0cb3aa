"""Summary tables: one row per (model, seq_len), aggregated over processes or seeds."""

import math
from pathlib import Path

import pandas as pd

from workflow.seqbench.intervals import median_interval


def by_model_and_length(cells, summarize):
    """One row per (model, seq_len), in the order of `cells`, with what `summarize` says of it."""
    rows = [
        {"model": model, "seq_len": seq_len, **summarize(group)}
        for (model, seq_len), group in cells.groupby(["model", "seq_len"], sort=False)
    ]
    return pd.DataFrame(rows)


def interval_columns(values, name, unit):
    """Median and bounds as columns `name_median_unit`, `name_low_unit`, `name_high_unit`."""
    median, low, high, _ = median_interval(values.dropna())
    suffix = f"_{unit}" if unit else ""
    return {
        f"{name}_{part}{suffix}": value
        for part, value in (("median", median), ("low", low), ("high", high))
    }


def status_columns(cells, statuses):
    """How many cells ended with each status: columns named for the statuses."""
    return {status.replace(" ", "_"): int((cells["status"] == status).sum()) for status in statuses}


def flag_text(cells):
    """Flags and how many of the cells carry each: "busy machine 2/6"."""
    counts = cells["flags"].explode().dropna().value_counts()
    return "; ".join(f"{flag} {count}/{len(cells)}" for flag, count in counts.sort_index().items())


def scalars(cells):
    """The cells without their raw samples and curves, which only the shards keep."""
    lists = [
        c
        for c in cells
        if cells[c].map(lambda v: hasattr(v, "__len__") and not isinstance(v, str)).any()
    ]
    return cells.drop(columns=lists)


def write_table(frame, *paths):
    """Write a table in the format of each path's suffix: .csv, .parquet, or .md to be read."""
    for path in map(Path, paths):
        match path.suffix:
            case ".csv":
                frame.to_csv(path, index=False)
            case ".parquet":
                frame.to_parquet(path, index=False)
            case ".md":
                path.write_text(markdown(frame))
            case suffix:
                raise ValueError(f"no table format for {suffix}")


def markdown(frame):
    """A frame of texts and numbers as a Markdown table; numbers to three significant digits."""
    return frame.map(readable).to_markdown(index=False, disable_numparse=True) + "\n"


def readable(value):
    """A cell of a table for people: three significant digits, a dash for nothing, whole counts."""
    if isinstance(value, float):
        if math.isnan(value):
            return "–"
        if math.isinf(value):
            return "∞"
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def bounds(low, high, text):
    """An interval as people write it, in the format of `text`; a dash where there is none."""
    return "–" if math.isnan(low) or math.isnan(high) else f"{text(low)} – {text(high)}"


def interval(value, low, high):
    """A number with its bounds: 0.420 [0.400, 0.440]."""
    if math.isnan(value):
        return "none"
    said = [f"{x:#.3g}".rstrip(".") if abs(x) < 1000 else f"{x:,.0f}" for x in (value, low, high)]
    bounds = "not enough runs" if math.isnan(low) else f"{said[1]}, {said[2]}"
    return f"{said[0]} [{bounds}]"


def seconds(value):
    """Seconds with the unit that reads best: 1.25 ms."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    units = ((1, "s"), (1e3, "ms"), (1e6, "µs"))
    factor, unit = next((u for u in units if value * u[0] >= 1), units[-1])
    return f"{value * factor:.3g} {unit}"
