"""The pages that publishing writes: the README's generated blocks, and docs/results.md as a whole."""

import os
import re
from collections import Counter
from pathlib import Path

import jinja2
import yaml

from workflow.seqbench.log import UserError
from workflow.seqbench.sources import ROOT

BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
RESULTS = Path("docs/results.md")


def render(text, reference):
    """`text` with each block between `<!-- generated: NAME -->` and `<!-- end -->` written anew.

    A block is `tables/NAME.md` of the published run in the folder `reference`.
    """

    def block(match):
        begin, name, end = match.groups()
        table = Path(reference) / "tables" / f"{name}.md"
        if not table.is_file():
            raise UserError(
                f"README.md has a generated block {name}, and this run has no {table.name}"
            )
        return f"{begin}{table.read_text().strip()}\n\n{end}"

    return BLOCK.sub(block, text)


def results(run, reference):
    """docs/results.md: every table and figure of the run in the folder `run`, under its headings.

    reference: the folder that the page's links name, relative to the project.
    """
    folder = os.path.relpath(reference, RESULTS.parent)
    experiments = yaml.safe_load((run / "config.yaml").read_text()).get("experiments", {})
    page = (ROOT / "workflow/page/results.md").read_text()
    about = yaml.safe_load((ROOT / "workflow/figures.yaml").read_text())["experiments"]
    tables, captions = texts(run, "tables/*.md"), texts(ROOT, "workflow/report/*.rst")
    timed = [name for name in experiments if (run / f"tables/{name}_samples.parquet").exists()]
    trained = [name for name in experiments if (run / f"tables/{name}_curves.parquet").exists()]
    for name in {*timed, *trained} - {*captions}:
        swept = "chosen" in tables.get(name, "")
        kind = "call" if name in timed else "rates" if swept else "memory"
        captions[name] = f"{name}: {captions[kind]}"
    text = jinja2.Template(page, trim_blocks=True, lstrip_blocks=True).render(
        folder=folder,
        tables=tables,
        figures={file.stem: f"{folder}/figures/{file.name}" for file in run.glob("figures/*.png")},
        captions=captions,
        timed=timed,
        trained=trained,
        about={name: f"{text[0].upper()}{text[1:]}." for name, text in about.items()},
        contents="CONTENTS",
    )
    text = re.sub(r"^(#+ .+)$", r"\n\1\n", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=\|):-+", ":--", re.sub(r" +\|", " |", text))  # tables without padding
    text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
    # A heading with nothing under it is left out.
    empty = r"^## [^\n]+\n+(?=## |\Z)|^### [^\n]+\n+(?=###? |\Z)"
    text = re.sub(empty, "", text, flags=re.MULTILINE)
    for paper, address in papers().items():
        text = text.replace(paper, f"[{paper}]({address})")
    return text.replace("CONTENTS", contents(text))


def papers():
    """{"Vaswani et al. 2017": its address} of the literature in docs/method.md."""
    literature = (ROOT / "docs/method.md").read_text()
    return dict(re.findall(r"^- (.+ \d{4}), \[.+\]\((.+)\)$", literature, re.MULTILINE))


def texts(folder, pattern):
    """{name: text} of the files that a pattern meets."""
    return {file.stem: file.read_text().strip() for file in folder.glob(pattern)}


def contents(text):
    """A list of the headings of a page, with links."""
    lines, seen = [], Counter()
    for marks, title in re.findall(r"^(##+) (.+)$", text, re.MULTILINE):
        anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        again = f"-{seen[anchor]}" if seen[anchor] else ""  # as GitHub numbers them
        lines.append(f"{'  ' * (len(marks) - 2)}- [{title}](#{anchor}{again})")
        seen[anchor] += 1
    return "\n".join(lines)
