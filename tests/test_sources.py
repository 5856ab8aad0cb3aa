"""Digests of code: they see what changes numbers and nothing else, and follow every import."""

import importlib
import sys

import pytest

from tests.conftest import ROOT, shipped
from workflow.seqbench import sources
from workflow.seqbench.config import check
from workflow.seqbench.log import UserError
from workflow.seqbench.measuring.code import code_of

MODULE = '''"""What this module is for."""

from lab import tools


class Scale:
    """A scale."""

    def weigh(self, x):
        """In grams."""
        return tools.grams(x) + 1  # the pan
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Write files of a small project; the digest of one of its modules."""
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    cached = (sources.find, sources.imports, sources.parsed, sources.sources)
    cached += (sources.substance, sources.digest)

    def forget():
        for function in cached:
            function.cache_clear()

    def write(module="lab.work", **files):
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.py"
            path = path.with_name(path.name.replace("init.py", "__init__.py"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        forget()
        return sources.digest(module)

    yield write
    forget()


@pytest.fixture
def digest(project):
    """The digest of a module after a replacement in its text."""

    def after(old="", new=""):
        assert old in MODULE
        return project(lab__work=MODULE.replace(old, new, 1))

    project(lab__init="", lab__tools="def grams(x):\n    return x\n")
    return after


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # the pan", ""),
        ("  # the pan", "  # another comment"),
        ("\n\nclass", "\n# a comment of its own line\n\nclass"),
        ("What this module is for.", "Something else."),
        ('"""What this module is for."""\n\n', ""),
        ('    """A scale."""\n\n', ""),
        ("In grams.", "In kilograms,\n\n        by mistake."),
        ('        """In grams."""\n', ""),
        ("tools.grams(x) + 1", "(\n            tools.grams(x)\n            + 1\n        )"),
        ("    def weigh", "\n\n    def weigh"),
    ],
)
def test_comments_docstrings_and_layout_are_no_part_of_a_digest(digest, old, new):
    assert digest(old, new) == digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("+ 1", "+ 2"),
        ("grams(x)", "grams(-x)"),
        ("return ", ""),
        ("class Scale", "class Balance"),
        ("    def weigh", "    units = 'grams'\n\n    def weigh"),
        ("(self, x)", "(self, x, y=0)"),
    ],
)
def test_a_changed_line_is_seen(digest, old, new):
    assert digest(old, new) != digest()


def test_a_docstring_may_be_all_that_a_body_has(project):
    documented = project(lab__init="", lab__work='def later():\n    """To be written."""\n')
    assert project(lab__work="def later():\n    pass\n") == documented
    assert project(lab__work='"""Nothing yet."""\n') == project(lab__work="")


def test_a_file_that_is_no_python_is_named_with_its_line(project):
    with pytest.raises(UserError, match=r"lab/tools\.py, line 2, is no Python: invalid syntax"):
        project(lab__init="", lab__work="import lab.tools\n", lab__tools="x = 1\ndef (\n")


# Loading what was asked for.


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"room__init": "x = 1\nraise ValueError('no licence')\n"}, r"room/__init__\.py, line 2: ValueError: no licence"),
        ({"room__init": "", "room__work": "import numpy\n\nimport nowhere\n"}, r"room/work\.py, line 3: ModuleNotFoundError"),
        ({"room__init": "", "room__work": "import numpy\nnumpy.zeros(-1)\n"}, r"room/work\.py, line 2: ValueError: negative"),
    ],
    ids=["a package's own code", "a missing library", "within a library"],
)  # fmt: skip
def test_code_that_cannot_be_imported_is_named_with_its_line(
    project, tmp_path, monkeypatch, broken, sentence
):
    monkeypatch.syspath_prepend(tmp_path)
    asked = project("room.work", **{"room__work": "X = 1\n"} | broken)
    with pytest.raises(UserError, match=f"room.work cannot be imported: .*{sentence}"):
        sources.load(asked, "room.work")
    for name in ("room", "room.work"):
        sys.modules.pop(name, None)


def test_code_that_is_edited_while_it_is_loaded_is_refused(project, tmp_path, monkeypatch):
    """Also where the edit is taken back: what counts is what was read."""
    monkeypatch.syspath_prepend(tmp_path)
    asked = project("loft.work", loft__init="", loft__work="X = 1\n")
    sources.load(asked, "loft.work")
    edits = importlib.import_module

    def edited(name):
        (tmp_path / "loft/work.py").write_text("X = 2\n")
        return edits(name)

    monkeypatch.setattr(sources.importlib, "import_module", edited)
    with pytest.raises(UserError, match="the code was edited since this run began"):
        sources.load(asked, "loft.work")
    for name in ("loft", "loft.work"):
        sys.modules.pop(name, None)


# What a module depends on.


@pytest.mark.parametrize(
    "line",
    [
        "import lab.deep.tools",
        "import lab.deep.tools as t",
        "from lab.deep import tools",
        "from lab.deep.tools import grams",
        "from . import tools",
        "from .tools import grams",
        "from ..deep import tools",
        "from ..deep.tools import grams as g",
        "def later():\n    from .tools import grams",
    ],
)
def test_every_kind_of_import_is_followed(project, line):
    files = {"lab__init": "", "lab__deep__init": "", "lab__deep__work": f"{line}\n"}
    before = project("lab.deep.work", lab__deep__tools="GRAMS = 1\n", **files)
    assert sources.sources("lab.deep.work") == (
        *("lab/__init__.py", "lab/deep/__init__.py", "lab/deep/tools.py", "lab/deep/work.py"),
    )
    assert project("lab.deep.work", lab__deep__tools="GRAMS = 2\n") != before


def test_a_package_runs_its_init_and_what_that_imports(project):
    files = {"lab__init": "", "lab__deep__work": "X = 1\n", "lab__deep__other": "Y = 1\n"}
    before = project("lab.deep.work", lab__deep__init="from . import other\n", **files)
    assert "lab/deep/other.py" in sources.sources("lab.deep.work")
    assert project("lab.deep.work", lab__deep__other="Y = 2\n") != before
    # Relative to the package itself, not to the one around it.
    assert project("lab.deep", lab__other="Y = 3\n") == sources.digest("lab.deep")
    assert "lab/other.py" not in sources.sources("lab.deep")


def test_imports_of_imports_are_followed_and_circles_end(project):
    project(
        lab__init="",
        lab__work="from lab import tools\n",
        lab__tools="import json\nfrom lab import far\n",
        lab__far="from lab import work\n",
    )
    files = ["lab/__init__.py", "lab/far.py", "lab/tools.py", "lab/work.py"]
    assert list(sources.sources("lab.work")) == files


def test_a_digest_depends_on_where_code_stands_and_on_the_layout(project):
    project(lab__init="", lab__work="X = 1\n", lab__other="X = 1\n")
    assert sources.digest("lab.work") != sources.digest("lab.other")
    assert sources.digest("lab.work", "lab.other") == sources.digest("lab.other", "lab.work")
    assert sources.digest("lab.work", layout="one column") != sources.digest("lab.work")
    assert len(sources.digest("lab.work")) == 16


# The project itself.


def test_a_cell_depends_on_its_own_model_and_on_no_figure():
    plan = check(shipped(), local=False)
    files = set(sources.sources("workflow.scripts.training_cell"))
    assert {"workflow/seqbench/measuring/training.py", "workflow/seqbench/log.py"} <= files
    assert not any("/showing/" in file or "/judging/" in file for file in files)
    assert not any(file.startswith("workflow/seqbench/models/lstm") for file in files)
    codes = {model: plan.code("recall", model) for model in ("lstm", "transformer", "lstm_chrono")}
    assert codes["lstm"] == codes["lstm_chrono"] != codes["transformer"]


@pytest.mark.parametrize("kind", ["timing", "training"])
def test_a_cell_does_not_depend_on_how_cells_are_listed(kind):
    """Whoever edits that, or gets it with a new version, measures nothing again."""
    plan = check(shipped(), local=False)
    name = {"timing": "timing", "training": "recall"}[kind]
    entry = plan.model(name, "transformer_matched")
    modules, _ = code_of(kind, plan.experiments[name], entry)
    files = {file for module in modules for file in sources.sources(module)}
    assert f"workflow/seqbench/measuring/{kind}.py" in files
    assert not {"workflow/seqbench/experiments.py", "workflow/seqbench/config.py"} & files


def test_tables_and_figures_need_no_model():
    scripts = ("comparison_tables", "distance_table", "read_outs_table", "judge", "call_figure")
    for script in (*scripts, "curves_figure"):
        files = sources.sources(f"workflow.scripts.{script}")
        assert not any("/models/" in file or "/measuring/" in file for file in files), script


def test_every_script_and_module_can_be_read():
    for path in sorted((ROOT / "workflow").rglob("*.py")):
        assert sources.substance(path.relative_to(ROOT).as_posix()) is not None
