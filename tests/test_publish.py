"""The published run and the README: promoted by a rule, drawn again without an experiment."""

import json
import re
import shutil

import pandas as pd
import pytest
import yaml

from tests import realistic
from tests.conftest import Project
from workflow.seqbench.log import UserError
from workflow.seqbench.results.costs import cells_of, shipped
from workflow.seqbench.showing import provenance, readme

STUB = """# A page

By hand, before.

<!-- generated: timing -->
an old table
<!-- end -->

By hand, between.

<!-- generated: recall -->
<!-- end -->

By hand, after.
"""


def test_blocks_are_replaced_and_the_rest_is_kept(tmp_path):
    (tmp_path / "tables").mkdir()
    for name in ("timing", "recall"):
        (tmp_path / f"tables/{name}.md").write_text(f"| {name} |\n|:-|\n")
    fresh = readme.render(STUB, tmp_path)
    assert "an old table" not in fresh
    assert "\n| timing |\n" in fresh
    for line in STUB.splitlines():
        assert line in fresh or line == "an old table"
    assert readme.render(fresh, tmp_path) == fresh


def test_a_block_without_its_table_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="timing"):
        readme.render(STUB, tmp_path)


def test_the_page_of_results_holds_every_table_and_figure_under_its_heading(made_up_run, tmp_path):
    folder, plan = made_up_run
    shutil.copytree(folder / "tables", tmp_path / "tables")
    realistic.draw(folder, ["time", "decode"])
    shutil.copytree(folder / "figures", tmp_path / "figures")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(plan.config))
    text = readme.results(tmp_path, "results/reference/cpu")
    unlinked = re.sub(r"\[([^]]+)\]\(http[^)]+\)", r"\1", text)
    lines = [re.sub(r"\W", "", line) for line in unlinked.splitlines()]
    for path in (tmp_path / "tables").glob("*.md"):
        for line in path.read_text().splitlines():
            assert re.sub(r"\W", "", line) in lines, path.name
    for name in ("time", "decode"):
        assert f"(../results/reference/cpu/figures/{name}.png)" in text
    assert "*decode: Time and RAM of one call against the number of tokens" in text
    # Each heading is in the contents, leads to itself and has something under it.
    headings = re.findall(r"^##+ (.+)$", text, re.MULTILINE)
    linked = re.findall(r"^ *- \[(.+)\]\(#(.+)\)$", text, re.MULTILINE)
    assert [title for title, _ in linked] == headings
    assert len({anchor for _, anchor in linked}) == len(linked) > 12
    assert not re.search(r"^##+ .+\n+(##? |\Z)", text, re.MULTILINE)
    assert "### recall_more" not in text  # was not run


KILLED_AT_EACH_STEP = """
import os, shutil, sys
from pathlib import Path
import pandas as pd
from workflow.scripts import publish
from tests.test_publish import STUB

root = Path(os.environ["FOLDER"])
reference, tables = root / "reference/cpu", root / "run/tables"
page, results = root / "README.md", root / "results.md"
tables.mkdir(parents=True)
about = {"device_name": "a CPU", "cpu_cores": 2, "threads": 1, "torch": "2", "git_commit": "abc"}
about |= {"experiment": "timing", "model": "lstm", "seq_len": 100, "seed": 0, "cell_s": 2.0}
cells = pd.DataFrame([about | {"git_dirty": False, "status": "ok", "started_at": "2026-01-01"}])
for name in ("timing", "recall"):
    cells.to_parquet(tables / f"{name}_cells.parquet")
    (tables / f"{name}.md").write_text(f"| {name} |")
files = [*map(str, tables.iterdir())]
publish.provenance.times = lambda *_: (cells, "said")  # which reads no file of the run
publish.provenance.measured = lambda *_: {}
publish.render = lambda *_: "a report"


def run():
    settings = ["tuning"], {"a": 1}, reference, page, results, "SHARD", ["timing"]
    publish.main(files, root / "run", *settings)


def state():
    folder = reference if reference.exists() else reference.with_name(".cpu.old")
    inside = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return inside, page.read_text(), results.read_text()


def start_again():
    shutil.rmtree(reference.parent, ignore_errors=True)
    for name in ("tables/timing.md", "tables/recall.md", "tables/left_over.md"):
        (reference / name).parent.mkdir(parents=True, exist_ok=True)
        (reference / name).write_text("of an earlier run")
    page.write_text(STUB)
    results.write_text("old")


start_again()
old = state()
run()
new = state()
assert old[0] != new[0] and old[1] != new[1]
step, killed = 0, True
while killed:
    start_again()
    if (child := os.fork()) == 0:
        seen = 0

        def hook(event, arguments):
            global seen
            if event.startswith(("open", "os.", "shutil.")) and str(root) in str(arguments):
                seen += 1
                if seen > step:
                    os._exit(9)

        sys.addaudithook(hook)
        run()
        os._exit(0)
    killed = os.waitpid(child, 0)[1] != 0
    allowed = [old, (new[0], *old[1:]), (*new[:2], old[2]), new]  # one page after the other
    assert state() in allowed, step
    run()
    assert state() == new, step
    assert [p.name for p in reference.parent.iterdir()] == ["cpu"], step
    assert sorted(p.name for p in root.iterdir()) == ["README.md", "reference", "results.md", "run"], step
    step += 1
print(step)
"""


def test_publish_survives_being_killed_at_any_step(tmp_path, run_python):
    """The published run is the old one or the new one, and the same command again finishes it."""
    assert int(run_python(KILLED_AT_EACH_STEP, FOLDER=str(tmp_path))) > 30


def test_a_published_run_is_drawn_again_with_all_that_it_has(tmp_path):
    """Also what the run of this config would not make: a full run is published, and this is smoke."""
    clone = Project.copy(tmp_path / "clone")
    output = clone.snakemake("redraw", "--dry-run", "--forcerun", "audit_figure")
    (inputs,) = re.findall(r"rule audit_figure:\n +input: (.*)", output)
    for name in ("recall", "recall_audit", "readout", "recall_original"):
        assert f"results/reference/cpu/tables/{name}_cells.parquet" in inputs
    assert "tuning_cells.parquet" not in inputs


def test_publish_and_redraw(project, tmp_path):
    """A smoke run becomes the published one, and a fresh clone draws its figures without a run."""
    (project / "README.md").write_text(STUB)
    reference = project / "results/reference/cpu"
    shutil.rmtree(reference, ignore_errors=True)
    (reference / "tables").mkdir(parents=True)
    (reference / "tables/left_over.md").write_text("of an earlier version")
    (reference / "tables/tuning.md").write_text("of an earlier sweep")
    (project / "results/tables/tuning_large.md").write_text("a sweep that was made here")
    project.snakemake("publish")
    assert not (reference / "tables/tuning.md").exists()
    assert (reference / "tables/tuning_large.md").read_text() == "a sweep that was made here"
    minutes = pd.read_parquet(reference / "tables/times.parquet")["command"].str.strip("`")
    page = (reference / "report/index.html").read_text()
    assert all(f'"`{command}`"' in page for command in minutes)

    assert not (reference / "tables/left_over.md").exists()
    for name in ("timing", "recall"):
        published = (reference / f"tables/{name}.csv").read_bytes()
        assert published == (project / f"results/tables/{name}.csv").read_bytes()
    for name in ("time.png", "time.svg", "memory.png", "memory.svg"):
        assert (reference / "figures" / name).stat().st_size > 5000
    assert (
        yaml.safe_load((reference / "config.yaml").read_text())["experiments"]["recall"]["steps"]
        == 60
    )

    text = (project / "README.md").read_text()
    assert text == readme.render(STUB, reference)
    said = (reference / "tables/published.md").read_text()
    assert re.fullmatch(
        r"Published: the smoke run, 24 cells, \d+ minutes? on \d cores as measured.\n", said
    )
    assert said.strip() in (project / "docs/results.md").read_text()
    assert (reference / "tables/timing.md").read_text().strip() in text
    assert [p.name for p in project.path.glob("README*")] == ["README.md"]
    whole = (project / "docs/results.md").read_text()
    assert whole == readme.results(reference, "results/reference/cpu")

    # A clone has results/reference and nothing else of results/.
    project.commit("a published run")
    project.git("clone", "--quiet", str(project.path), str(tmp_path / "clone"))
    clone = type(project)(tmp_path / "clone")
    figures = sorted(clone.path.glob("results/reference/cpu/figures/*"))
    shown = [path for path in figures if path.stem in ("time", "memory", "audit")]
    shown.append(clone / "results/reference/cpu/report/index.html")
    before = {path: path.read_bytes() for path in shown}
    assert [path.name for path in (clone / "results").iterdir()] == ["reference"]
    for path in shown:
        path.unlink()
    clone.snakemake("redraw")
    assert {path: path.read_bytes() for path in shown} == before  # the same file, bit for bit
    assert not list(clone.path.glob("results/*/model~*"))
    assert clone.planned("redraw") == []

    # A plot style redraws every figure and runs nothing else.
    clone.edit("workflow/figures.mplstyle", "font.size: 10", "font.size: 13")
    redrawn = [output for job in clone.planned("redraw") for output in job.outputs]
    assert {path.name for path in figures} == {output.rsplit("/")[-1] for output in redrawn}
    assert all(output.startswith("results/reference/cpu/figures/") for output in redrawn)

    # Of a damaged table nothing is drawn; a sentence says so.
    table = clone / "results/reference/cpu/tables/recall_cells.parquet"
    content = table.read_bytes()
    table.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    output = clone.snakemake("redraw", expect=1)
    path = table.relative_to(clone.path)
    assert f"Error: {path} is damaged; make it again: git checkout -- {path}" in output
    assert "Traceback" not in output


# Minutes: one value wherever they stand.


@pytest.fixture(scope="module")
def whole():
    """Cells of the full run, one a second, on two cores."""
    cells = pd.DataFrame(cells_of(shipped("the full run")).values())
    started = pd.Timestamp("2026-11-20T12:00:00Z") + pd.to_timedelta(range(len(cells)), unit="s")
    about = {"cell_s": 3.0, "cpu_cores": 2, "status": "ok", "device_name": "a CPU", "threads": 1}
    about |= {"torch": "2", "git_commit": "abc", "git_dirty": False}
    return cells.assign(started_at=started.map(lambda moment: moment.isoformat()), **about)


CELLS = len(cells_of(shipped("the full run")))
ALL = ("2026-11-20T11:59:58+00:00", 4980.0, CELLS)
FIRST = ("2026-11-20T11:59:58+00:00", 600.0, 599)  # its last cell begins at 12:09:58
REST = ("2026-11-20T12:09:59+00:00", 4380.0, CELLS - 599)
BEFORE = ("2026-11-20T11:00:00+00:00", 60.0, 7)  # a call that made none of these cells


@pytest.mark.parametrize(
    ("outcome", "calls", "minutes"),
    [
        ("complete", [ALL], 83),  # in one go
        ("complete", [BEFORE, FIRST, REST], 83),
        ("not complete", [FIRST, REST], None),
        ("complete", [REST], None),  # cells were made before
        ("complete", [FIRST], None),  # or after
        ("complete", [], None),
        ("complete", [(*FIRST[:2], 700), REST], None),  # of which 101 have been made again
    ],
    ids=str,
)
def test_minutes_are_those_of_the_calls_that_made_the_cells(
    whole, tmp_path, outcome, calls, minutes
):
    calls = [dict(zip(("began", "seconds", "cells made"), call, strict=True)) for call in calls]
    (tmp_path / "manifest.json").write_text(json.dumps({"outcome": outcome, "calls": calls}))
    assert provenance.minutes_of(whole, tmp_path / "manifest.json") == minutes
    assert provenance.minutes_of(whole, tmp_path / "no manifest") is None


@pytest.mark.parametrize("measured", [83.0, None])
def test_minutes_have_one_value_wherever_they_stand(whole, measured):
    table, sentence = provenance.times(whole, measured, {})
    default, full = table.to_dict("records")
    how = "by what its cells took" if measured is None else "as measured"
    assert full["cells"] == len(whole) > 2 * default["cells"]
    assert (full["minutes are"], default["minutes are"]) == (how, "by what its cells took")
    assert (full["minutes"] == "83") == (measured is not None)
    assert sentence == (
        f"Published: the full run, {len(whole):,} cells, {full['minutes']} minutes on 2 cores {how};"
        f" the default run: about {default['minutes']} minutes.\n"
    )


def test_the_table_of_the_run_adds_up_and_has_no_gaps(whole):
    run = provenance.summarize(dict(list(whole.groupby("experiment"))))
    *minutes, total = run["minutes of its cells"]
    assert sum(minutes) == pytest.approx(total, abs=0.1 * len(minutes))
    assert total == pytest.approx(whole["cell_s"].sum() / 60, abs=0.1)
    assert run.notna().all(axis=None) and (run != "").all(axis=None)


def test_minutes_that_were_measured_are_kept_where_the_machine_is_the_same(whole, tmp_path):
    """So that what the README has of each run is of that run; what is not known of its cells is left out."""
    run = provenance.summarize(dict(list(whole.groupby("experiment"))))
    table, _ = provenance.times(whole, 83.0, {})
    assert table["command"].str.contains("smoke").sum() == 0
    smoke = "`make run CONFIG=workflow/presets/smoke.yaml`"
    others = {(smoke, 24): 1, ("`make run`", table["cells"][0]): 15, ("`make run`", 7): 1}
    table, sentence = provenance.times(whole, 83.0, others)
    assert set(table["minutes are"]) == {"as measured"}
    assert table.set_index("command")["minutes"].to_dict() == {
        "`make run`": "15",
        "`make run CONFIG=workflow/presets/full.yaml`": "83",
        smoke: "1",
    }
    assert sentence.endswith("the default run: about 15 minutes; the smoke run: about 1 minute.\n")

    assert provenance.measured(tmp_path, run) == {}  # none was published
    (tmp_path / "tables").mkdir()
    table.to_csv(tmp_path / "tables/times.csv", index=False)
    run.to_csv(tmp_path / "tables/run.csv", index=False)
    kept = provenance.measured(tmp_path, run)
    assert {command: minutes for (command, _), minutes in kept.items()} == {
        command: int(minutes) for command, minutes in table[["command", "minutes"]].to_numpy()
    }
    assert provenance.measured(tmp_path, run.assign(cpu_cores="4")) == {}
    # A smaller run has no experiment with two threads.
    assert provenance.measured(tmp_path, run.assign(threads="1, 2")) == kept
