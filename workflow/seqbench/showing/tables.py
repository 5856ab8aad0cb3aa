"""Tables as files, and as people read them by the column specifications of workflow/views.yaml."""

from functools import cache
from itertools import pairwise
from pathlib import Path
from textwrap import fill

import pandas as pd
import pyarrow as pa
import yaml
from markdown_it import MarkdownIt

from workflow.seqbench.results import sealing
from workflow.seqbench.results.measures import mean_ratio
from workflow.seqbench.results.selecting import Selection
from workflow.seqbench.showing import files, text
from workflow.seqbench.sources import ROOT

STYLE = "<!doctype html><meta charset=utf-8><style>body{font:14px/1.4 sans-serif}td,th{padding:2px 8px;text-align:left;border-bottom:1px solid #ddd}</style>\n"
# The two tables of the audit: their titles, and columns that they do without.
PARTS = {
    "time": [
        "Time of the Transformer over that of the LSTM, with 95 % intervals over processes",
        *("condition", ""),
    ],
    "recall": ["Recall of the first token; losses at a step are means of ten steps"],
}
AUDIT = {
    "step": "",
    "condition": "model",
    "sentence": "what changed",
    "solved_share": "solved",
    "solved_share by 500": "solved by step 500",
    "steps_to_solve": "steps to solve (median)",
    "loss_at step 500": "loss at step 500 (nats)",
    "median of lr": "learning rate",
}


@cache
def views():
    """{view: {label: [columns, format]}}."""
    return yaml.safe_load((ROOT / "workflow/views.yaml").read_text())


def view(name, table):
    """The view NAME of a table, as a frame of texts; `once`: blank where it is as in the row above."""
    columns = {}
    for label, (*keys, form) in views()[name].items():
        if not keys:
            keys, form = [form], "number"
        if set(keys) <= set(table):
            values = [*zip(*(table[key].tolist() for key in keys), strict=True)]
            if form == "once":
                pairs = pairwise([None, *values])
                columns[label] = ["" if row == above else row[0] for above, row in pairs]
            else:
                columns[label] = [getattr(text, form)(*row) for row in values]
    return pd.DataFrame(columns)


def write(frame, *paths, shown=None):
    """Write a table in the format of each path's suffix: .csv, .parquet, .md or .html.

    shown: what stands in the last two, a frame or Markdown text; the table itself if left out.
    """
    shown = frame if shown is None else shown
    for path in map(Path, paths):
        with files.whole(path) as fresh:
            match path.suffix:
                case ".csv":
                    frame.to_csv(fresh, index=False)
                case ".parquet":
                    sealing.save(pa.Table.from_pandas(frame, preserve_index=False), fresh)
                case ".md":
                    fresh.write_text(markdown(shown))
                case ".html":
                    fresh.write_text(STYLE + MarkdownIt().enable("table").render(markdown(shown)))
                case suffix:
                    raise ValueError(f"no table format for {suffix}")


def markdown(frame):
    """A frame of texts and numbers as a Markdown table; text is left as it is."""
    if isinstance(frame, str):
        return frame
    return frame.map(text.number).to_markdown(index=False, disable_numparse=True) + "\n"


def timing(table, cells):
    """The table of an experiment that times a call, below a sentence on how quiet the machine was."""
    n, flagged = len(cells), cells["flags"].str.split("; ").explode().ne("").sum()
    busy = cells["busy_cores"]
    sentence = (
        f"How quiet the machine was: other processes kept {busy.median():.2f} cores busy (median of"
        f" {n} cells; at most {busy.max():.2f}), and {flagged}"
        f" {'flag was' if flagged == 1 else 'flags were'} raised; in {slowed(cells)} of {n} the"
        " calibration kernel took over a tenth longer than in the fastest ones, as where a neighbour"
        " on the host shares a core"
    )
    for name in set(cells["model"]) & set(cells["reference"].dropna()):
        itself = Selection(name, cells[cells["model"] == name])
        floor = mean_ratio(itself, itself)
        if text.missing(floor.value):  # it did not take turns with itself
            continue
        floor = text.interval(*floor[:3])
        sentence += f"; {name} timed against itself takes {floor} times as long, the noise floor"
    return f"{sentence}.\n\n{markdown(view('timing', table))}"


def slowed(cells):
    """How many cells' calibration kernel took over a tenth longer than that of the fastest tenth."""
    seconds = cells["calibration_s"].dropna()
    return int((seconds > 1.1 * seconds.quantile(0.1)).sum())


def gradient_flow(table):
    """The share of the gradient that reaches the first token, which is to be recalled."""
    first = table[table["position"] == 1].set_index(["model", "seq_len"])
    shares = first.pivot(columns="moment", values="gradient_median")
    gate = first.loc[first["moment"] == "before training", "reference"]
    order = table[["model", "seq_len"]].drop_duplicates()
    return view("gradient_flow", order.join(shares.assign(reference=gate), on=["model", "seq_len"]))


def attention(table):
    """Attention on the first token, in multiples of what an even look would give it."""
    first = table[table["position"] == 1]
    return view("attention", first.assign(times=first["attention_median"] / first["uniform"]))


def fairness(table):
    """One row per (experiment, model), at the experiment's longest sequences."""
    longest = table.groupby(["experiment", "model"])["seq_len"].transform("max")
    return view("fairness", table[table["seq_len"] == longest])


def verdicts(table):
    """Each claim with its verdict, rule and evidence, as Markdown text."""
    parts = []
    for row in table.itertuples():
        lines = [f"**“{row.quote}”** {row.verdict}", "", row.rule, ""]
        lines += [f"- {line}" for line in row.evidence.split(" | ")]
        if row.would_decide:
            lines += [f"- *would decide:* {line}" for line in row.would_decide.split(" | ")]
        parts.append("\n".join([*lines, ""]))
    return "\n".join([*parts, f"All of them again: `{table['reproduce'].iloc[0]}`", ""])


def not_held(table):
    """The findings that fail, or a sentence if there are none."""
    return view("expectations", table) if len(table) else "All that was decided holds.\n"


def answers(table):
    """The answers as a Markdown list."""
    lines = (
        f"- **{row.title}.** {row.text}".replace(" %", "\u00a0%") for row in table.itertuples()
    )
    text = "".join(f"{fill(line, 150, subsequent_indent='  ')}\n" for line in lines)
    return text.replace("\u00a0%", " %")


def audit(table):
    """The audit as Markdown text: ratios of times by length, then trainings, then what is missing."""
    tokens = ["" if text.missing(n) else f"{n:,} tokens" for n in table["seq_len"]]
    measure = (table["measure"] + " " + table["options"]).str.strip()
    column = measure.mask(table["part"] == "time", tokens)
    step = table["step"].astype(str) + ". " + table["title"]
    table, parts = table.assign(step=step, column=column), []
    for part, (title, *left_out) in PARTS.items():
        rows, keys = table[table["part"] == part], ["step", "condition", "sentence"]
        wide = rows.pivot_table("found", keys, "column", "first", fill_value="–", sort=False)
        wide = wide[rows.sort_values("seq_len", kind="stable")["column"].unique()]
        wide = wide.reset_index().drop(columns=left_out, errors="ignore")
        wide["sentence"] = wide.pop("sentence")  # as the last column
        parts.append(f"{title}:\n\n{markdown(wide.rename(columns=AUDIT))}")
    absent = table[(table["n"] == 0) & (table["note"] != "")]
    notes = dict.fromkeys("- " + absent["step"] + ": " + absent["note"] + "\n")
    return "\n".join([*parts, "".join(notes)] if notes else parts)
