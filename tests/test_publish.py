"""The published run and the README: promoted by a rule, drawn again without an experiment."""

import shutil

import pytest
import yaml

from workflow.seqbench.log import UserError
from workflow.seqbench.showing import readme

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


def test_publish_and_redraw(project, tmp_path):
    """A smoke run becomes the published one, and a fresh clone draws its figures without a run."""
    (project / "README.md").write_text(STUB)
    reference = project / "results/reference/cpu"
    shutil.rmtree(reference, ignore_errors=True)
    (reference / "tables").mkdir(parents=True)
    (reference / "tables/left_over.md").write_text("of an earlier version")
    project.snakemake("publish")

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
    assert (reference / "tables/timing.md").read_text().strip() in text
    assert [p.name for p in project.path.glob("README*")] == ["README.md"]

    # A clone has results/reference and nothing else of results/.
    project.commit("a published run")
    project.git("clone", "--quiet", str(project.path), str(tmp_path / "clone"))
    clone = type(project)(tmp_path / "clone")
    figures = sorted(clone.path.glob("results/reference/cpu/figures/*"))
    before = {path: path.read_bytes() for path in figures}
    assert [path.name for path in (clone / "results").iterdir()] == ["reference"]
    for path in figures:
        path.unlink()
    clone.snakemake("redraw")
    assert {path: path.read_bytes() for path in figures} == before  # the same file, bit for bit
    assert not list(clone.path.glob("results/*/model~*"))
    assert clone.planned("redraw") == []

    # A plot style redraws every figure and runs nothing else.
    clone.edit("workflow/figures.mplstyle", "font.size: 10", "font.size: 13")
    redrawn = [output for job in clone.planned("redraw") for output in job.outputs]
    assert {path.name for path in figures} == {output.rsplit("/")[-1] for output in redrawn}
    assert all(output.startswith("results/reference/cpu/figures/") for output in redrawn)
