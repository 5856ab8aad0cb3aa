"""README and docs/: in step with the published run, short, with links that lead somewhere, and no number
in a sentence that nothing holds to account.
"""

import ast
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from profiles.slurm import check as site_check
from tests.conftest import ROOT, shipped
from tests.test_reference import PUBLISHED, REFERENCE, of_this_version
from workflow.seqbench import models
from workflow.seqbench.config import check
from workflow.seqbench.measuring import evaluate
from workflow.seqbench.results import collecting, statistics
from workflow.seqbench.showing import readme

README = Path("README.md")
PAGES = [README, *sorted(Path("docs").glob("*.md")), Path("CONTRIBUTING.md"), Path("CHANGELOG.md")]
CAPTIONS = [path.relative_to(ROOT) for path in sorted(ROOT.glob("workflow/report/*.rst"))]
WRITTEN = [*(path for path in PAGES if path != readme.RESULTS), *CAPTIONS]
PLACEHOLDER = "Filled in by `snakemake --cores 4 publish`."
FULL = "workflow/presets/full.yaml"


def text_of(path):
    return (ROOT / path).read_text()


def cells(*presets, names=None):
    """How many cells a run has, or these experiments of it."""
    plan = check(shipped(*presets), local=False)
    return sum(len(plan.cells(name)) for name in names or plan.names(on_demand=False))


MANIFEST = "workflow/seqbench/results/manifest.py"


def made_on():
    """The published table `run`."""
    return pd.read_csv(REFERENCE / "tables/run.csv")


def batch_of(experiment):
    """Sequences a call, or a step."""
    return check(shipped(), local=False).experiments[experiment]["batch_size"]


def recall():
    """Settings of the experiment `recall`."""
    return shipped()["experiments"]["recall"]


def rates():
    """{(model, seq_len): the rate that the published sweep chose}."""
    return check(shipped(), local=False).rates


def steps_of(model, seq_len):
    """Median and interval of the steps to solve, in the published `readout`."""
    table = pd.read_csv(REFERENCE / "tables/readout.csv").set_index(["model", "seq_len"])
    row = table.loc[(model, seq_len)]
    return [row[f"steps_to_solve_{bound}"] for bound in ("median", "low", "high")]


def finding(statement, seq_len):
    """Value and interval of a published finding on what a number is due to."""
    causes = pd.read_csv(REFERENCE / "tables/causes.csv").set_index(["statement", "seq_len"])
    return [round(causes.loc[(statement, seq_len), key], 2) for key in ("value", "low", "high")]


def profile():
    """The profile for Slurm."""
    return yaml.safe_load(text_of("profiles/slurm/config.yaml"))


def requests(*presets):
    """What each job of a run asks Slurm for, by the profile."""
    return [*site_check.requests(check(shipped(*presets), local=False), profile())]


def together():
    """How many trainings share a job."""
    return profile()["group-components"]["training-{experiment}-{model}-{seq_len}"]


def longest(*presets):
    """Minutes of the longest request."""
    return max(job["runtime"] for job in requests(*presets))


def attempts():
    """How often a job is tried on Slurm."""
    return 1 + profile()["retries"]


def example():
    """Lines of the example of a new model, in docs/extend.md."""
    return text_of("docs/extend.md").split("```python\n")[1].split("```")[0].count("\n")


TIMING = "workflow/seqbench/measuring/timing.py"
ONCE = "measured once, on the test cluster or the machine that the page names"
TWO_CPUS = "the full run at 6000b4e held against the one published before it"
SWEEPS = "the published sweep held against one on the CPU of the published run"
HOST = "measured once, on the machine of the published run, with the commands that the page names"
REASONED = "worked out on the page from numbers before it"
PLAIN = "counts nothing that is measured or set"

# Numbers in sentences: in which file, as what, and what they must agree with; a text says why
# nothing in this repository can contradict it.
HELD = [
    (".*", r"95 % intervals?", lambda: statistics.CONFIDENCE == 0.95),
    (".*", r"Python 3\.11 or newer", lambda: "sys.version_info >= (3, 11)" in text_of("Makefile")),
    ("README", r"batch 1", lambda: shipped()["experiments"]["timing"]["batch_size"] == 1),
    (".*", r"float32", "torch's default, which no setting changes"),
    (".*", r"half the length|half length", lambda: "seq_len // 2" in text_of(TIMING)),
    ("README", r"slope of one is linear in the length, of two quadratic", "what a slope is"),
    ("README", r"half a gigabyte \(two on disk\)", ONCE),
    ("README", r"On two cores:", lambda: set(made_on()["cpu_cores"]) == {2}),
    ("README", r"about thirty lines", lambda: 20 <= example() <= 40),
    ("extend", r"at most 2 % fewer", lambda: models.TOLERANCE == 0.02),
    ("method", r"\b(19|20)\d\d, \[", "the year of a paper"),
    ("method", r"often works at two speeds", "what the samples of such machines showed"),
    (
        "read",
        r"in two evaluations in a row",
        "the rule of solved.py, on which test_recall.py holds",
    ),
    ("read", r"At twice the length", lambda: evaluate.LONGER[0] == 2),
    ("read", r"accuracy of 0\.99 or above", lambda: recall()["solved_accuracy"] == 0.99),
    ("read", r"4,096 fresh sequences", lambda: recall()["confirmation_size"] == 4096),
    ("trust", r"exit status is not 0", "a convention"),
    ("trust", r"\(family 25, model 1\)|commit (694c764|6000b4e)", "a name"),
    ("trust", r"7 of the 9|take 5 to 35 % less|was made on two:", TWO_CPUS),
    ("trust", r"Of 492 trainings 327 .* 480 alike|half of the steps", TWO_CPUS),
    ("trust", r"within 3 % of each other, one in ten are more than a third apart", TWO_CPUS),
    ("trust", r"took 75 minutes|again in 38\.|\(model 1\)|164 are solved", SWEEPS),
    ("trust", r"Of 167 trainings", lambda: cells(names=["tuning", "tuning_large"]) == 167),
    ("trust", r"at 32 of 35 places", lambda: len(rates()) == 35),
    (
        "trust",
        r"solve 100 tokens, .* 0\.03 there in place of 0\.01",
        lambda: rates()["feed_forward_mean", 100] == 0.01,
    ),
    (
        "trust",
        r"At 25 .* causal .* 0\.003 in place of 0\.01,",
        lambda: rates()["transformer_causal_mean", 25] == 0.01,
    ),
    (
        "trust",
        r"last position 0\.003 in place of 0\.001:",
        lambda: rates()["transformer_last", 25] == 0.001,
    ),
    ("trust", r"between two that work", "the rule of tuning"),
    (
        "trust",
        r"125 \[100, 150\] steps instead of 75 \[75, 100\]",
        lambda: steps_of("transformer_causal_mean", 25) == [75, 75, 100],
    ),
    (
        "trust",
        r"212 \[175, 950\] instead of 475 \[400, 1,675\]",
        lambda: steps_of("transformer_last", 25) == [475, 400, 1675],
    ),
    (
        "trust",
        r"With six seeds each|`lr: 0\.003`|the two take|at 25 tokens much|at 50 and 100",
        SWEEPS,
    ),
    (
        "trust",
        r"3\.51 \[2\.05, 6\.01\] times .* become 1\.71 \[0\.90, 3\.25\]",
        lambda: finding("readout_cost", 25) == [3.51, 2.05, 6.01],
    ),
    ("trust", r"Three things|three models", HOST),
    (
        "trust",
        r"on two threads|78 of the published run's 900 .* 96 of 540|Two cores|On two threads",
        HOST,
    ),
    ("trust", r"4\.9 ms and .* 1\.79 times|7\.6 ms and 1\.03 times|1\.6 times as long", HOST),
    ("trust", r"forked from one process|Six such .* six cells of each", HOST),
    ("trust", r"at 1,000 tokens|between two runs", HOST),
    ("trust", r"ten in place of six|± 2\.2 % in place of ± 3\.9 %|In three runs", HOST),
    ("trust", r"5 of 65 are wider than ± 5 %|4 of those are of two threads|one kind of", HOST),
    ("trust", r"7\.5 to 11\.2 % .* p < 0\.05|would be 5 %", HOST),
    ("trust", r"2 of 4 cells", lambda: "of 4 cells" in text_of("tests/test_failures.py")),
    ("trust", r"2026-13-45", "a date that cannot be"),
    ("trust", r"of more than 20, the", lambda: "<= 20 else command" in text_of(MANIFEST)),
    ("call", r"values of 0", "what no logarithmic axis can show"),
    ("CHANGELOG", r"two threads and batch 32 too", lambda: batch_of("timing_batch32") == 32),
    ("CHANGELOG", r"cost a third|in half the time|halves the intervals", ONCE),
    (
        "CHANGELOG",
        r"ten processes a time",
        lambda: len(shipped(FULL)["experiments"]["timing"]["seeds"]) == 10,
    ),
    ("CHANGELOG", r"by two processes", lambda: collecting.READERS == 2),
    ("distance|rates", r"[Hh]alf of the runs|full, half or open", "what marks mean"),
    ("trust", r"2\^70", lambda: "2**70" in text_of("tests/test_config.py")),
    ("trust", r"300 characters", lambda: '"x" * 300' in text_of("tests/test_config.py")),
    ("trust", r"200 random cases", lambda: '"FUZZ", 200' in text_of("tests/test_fuzz.py")),
    ("scale", r"^129$", lambda: cells() == 129),
    ("scale", r"^1,392$", lambda: cells(FULL) == 1392),
    ("scale", r"^29$", lambda: len(requests()) == 29),
    ("scale", r"^322$", lambda: len(requests(FULL)) == 322),
    ("scale", r"^100$", lambda: profile()["jobs"] == 100),
    ("scale", r"is 156 minutes in the full run", lambda: longest(FULL) == 156),
    ("scale", r"and 78 in the default run", lambda: longest() == 78),
    ("scale", r"22\.05, two nodes", "the version that Debian has"),
    (
        "scale",
        r"300 MB for the two",
        lambda: "300 MB for the two" in text_of("workflow/costs.yaml"),
    ),
    ("scale", r"three attempts", lambda: attempts() == 3),
    ("scale", r"up to six trainings|six to a job", lambda: together() == 6),
    ("scale", r"five at a time at most", "Snakemake's own limit where it is given no cores"),
    ("scale", r"stand two Snakemakes", "Snakemake's plugin for Slurm"),
    ("scale", r"Twenty cells to a job|ten times as long", REASONED),
    ("scale", r"two cores with nothing else to do|[Mm]easured on two nodes", ONCE),
    ("scale", r"more than two nodes", "what was not run"),
    ("scale", r"eight GPUs", "an example"),
    ("scale", r"8 s of one core", lambda: "costs 8 s" in text_of("profiles/slurm/config.yaml")),
    (
        "scale",
        r"torch is loaded, 3 s",
        lambda: "3 s for Python with" in text_of("workflow/costs.yaml"),
    ),
    ("scale", r"twelve trainings .* took 63 s in two groups instead of 108 s", ONCE),
    ("scale", r"twelve timing cells 171 s in one job per seed instead of 212 s", ONCE),
    ("scale", r"each 40 s to 3 min", "what Snakemake's plugin for Slurm does"),
    ("scale", r"1,462( cells)?", "another grid, for comparison: each cell a job"),
    ("scale", r"took 0\.02 s and of 1,240 jobs 0\.04 s", ONCE),
    ("scale", r"^10,000 cells, measured$|10,000 cells, measured on", ONCE),
    (
        "scale",
        r"^19 s;$|a bare Snakefile with as many jobs 10 s|^12\.5 s, 0\.90 GB$",
        ONCE,
    ),
    ("scale", r"^100,000 cells, worked out$|^3 minutes or more$|^2 minutes, 9 GB$", REASONED),
    ("scale", r"100,000(-cell| cells| trainings| are|:)", "a grid for the sake of argument"),
    ("scale", r"16,700 jobs of 7 minutes", lambda: round(100_000 / together(), -2) == 16_700),
    ("scale", r"100 in the queue", lambda: profile()["jobs"] == 100),
    ("scale", r"850 jobs an hour, 20 hours", REASONED),
    ("scale", r"one submission every 4 s, 2,000 core-hours", REASONED),
    ("scale", r"5,000 jobs, one every 13 s", REASONED),
    ("scale", r"100,000 jobs of 70 s, one every 0\.7 s", REASONED),
    ("scale", r"30 to 80 KB each|3 to 8 GB|a record of 2 KB", ONCE),
    ("scale", r"of 10,000 cells each", "advice"),
    ("scale", r"\bS3\b|TF32", "names"),
    (
        "CHANGELOG",
        r"0\.1\.0",
        lambda: yaml.safe_load(text_of("CITATION.cff"))["version"] == "0.1.0",
    ),
    (".*", r"[Tt]wo (models|machines|others|such|renames|runs|lengths|clones|users)\b", PLAIN),
    (".*", r"[Tt]wo (causes|interventions|places|values|one-sided)|about the two", PLAIN),
    (".*", r"(run|stands|done|run them) twice|half-written", PLAIN),
]
WORDS = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|fifty|hundred"
NUMBER = re.compile(rf"\d|\b({WORDS}|thousand|million|dozen|third|quarter|half|twice)\b", re.I)


def sentences(text):
    """Sentences of a page without code, links' targets and what is generated."""
    for ignored in (r"<!-- generated.*?<!-- end -->", r"```.*?```", r"<img[^>]*>", r"^ {4}.*?$"):
        text = re.sub(ignored, "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`]*`", "", re.sub(r"\]\([^)]*\)", "]", text))
    text = re.sub(r"^\d\. ", "", text, flags=re.MULTILINE)
    for part in re.split(r"\n\n|\n(?=[-|#])|(?<=[.:;?!|])\s", text):
        if sentence := " ".join(part.split()).strip(" |"):
            yield sentence


@pytest.mark.parametrize("path", WRITTEN, ids=str)
def test_no_number_stands_in_a_sentence_that_nothing_holds_to_account(path):
    for sentence in sentences(text_of(path)):
        left = sentence
        for file, pattern, truth in HELD:
            if re.match(file, path.stem) and re.search(pattern, left):
                assert isinstance(truth, str) or truth(), f"{path}: {sentence}"
                left = re.sub(pattern, "", left)
        assert not NUMBER.search(left), f"{path}: nothing checks {sentence!r}"


def test_the_method_says_where_the_rate_is_tuned():
    plan = check(shipped(FULL), local=False)
    of_models = {name: plan.experiments[name]["lr"] for name in plan.names("training", swept=False)}
    [said] = re.findall(r"The learning rate is tuned in (.*?):", text_of("docs/method.md"), re.S)
    assert {*re.findall(r"`(\w+)`", said)} == {n for n, lr in of_models.items() if lr == "tuned"}


def test_the_walk_sees_the_numbers_of_a_sentence():
    text = "It takes 7 s.\n\n```\n8\n```\n<!-- generated: x -->\n9\n<!-- end -->\n`10` and [a](11)."
    text += "\n\nTwo of them often wait."
    counted = [s for s in sentences(text) if NUMBER.search(s)]
    assert counted == ["It takes 7 s.", "Two of them often wait."]


def test_the_readme_is_one_screen_in_its_order():
    text = text_of(README)
    assert len(text.splitlines()) <= 150
    order = [
        "# LSTM or Transformer?",
        "generated: answers",
        "figures/time.png",
        "figures/memory.png",
    ]
    order += ["figures/audit.png", "generated: claims", "git clone", "make run", "make test"]
    order += ["## Change it", "Add a model", "Run it on a cluster", "Redraw"]
    order += ["## When something goes wrong", "## Read more", "## Cite it"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) < 250


@of_this_version
def test_pages_are_in_step_with_the_published_tables():
    text = text_of(README)
    assert readme.render(text, REFERENCE) == text, "run: snakemake --cores 4 publish"
    assert PLACEHOLDER not in text
    assert readme.results(REFERENCE, REFERENCE) == text_of(readme.RESULTS)
    claims = pd.read_parquet(REFERENCE / "tables/verdicts.parquet")["claim"]
    block = re.search(r"generated: claims -->\n(.*?)<!-- end", text, re.DOTALL)[1]
    assert block.strip().count("\n") - 1 == len(claims) == 9


def test_blocks_are_tables_that_publishing_has():
    """Until the first run of this version is published they say so, in one sentence."""
    scripts = text_of("workflow/rules/judging.smk") + text_of("workflow/scripts/publish.py")
    for name, block in re.findall(
        r"<!-- generated: (\w+) -->\n(.*?)<!-- end", text_of(README), re.S
    ):
        assert re.search(rf'(table\("|tables/){name}\b', scripts), name
        assert "experiments" in PUBLISHED or block.strip() == PLACEHOLDER


def test_every_published_figure_is_shown():
    shown = text_of(README) + text_of(readme.RESULTS)
    for figure in (REFERENCE / "figures").glob("*.png"):
        assert figure.as_posix() in shown or "experiments" not in PUBLISHED, figure


def anchors(text):
    """Of a page's headings, as GitHub makes them: the second of two alike ends with -1."""
    titles = [title.lower() for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    named = [re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in titles]
    again = [named[:place].count(name) for place, name in enumerate(named)]
    return {f"{name}-{n}" if n else name for name, n in zip(named, again, strict=True)}


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_links_lead_somewhere(path):
    text = re.sub(r"```.*?```", "", text_of(path), flags=re.DOTALL)
    made = {REFERENCE / "report/index.html"} if "experiments" not in PUBLISHED else set()
    targets = re.findall(r"\]\((?!http)([^)]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        file, _, anchor = target.partition("#")
        where = (ROOT / path.parent / file).resolve() if file else ROOT / path
        if where.relative_to(ROOT) not in made:
            assert where.exists(), target
            assert not anchor or anchor in anchors(where.read_text()), target


def test_one_version_and_one_title_are_cited_everywhere():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    (bibtex,) = re.findall(r"```bibtex\n(.*?)```", text_of(README), re.DOTALL)
    fields = dict(re.findall(r"(\w+) += \{+(.*?)\}+,?\n", bibtex))
    assert fields["title"] == citation["title"]
    assert fields["author"] == citation["authors"][0]["name"]
    assert fields["version"] == citation["version"]
    assert fields["year"] == str(citation["date-released"].year)
    assert citation["references"][0]["url"] in text_of(README)
    assert f"## {citation['version']}" in text_of("CHANGELOG.md")


def test_papers_that_are_named_are_linked():
    """Each author and year in models, measures and statements is among the literature of docs/method.md."""
    named = set()
    for path in [*ROOT.glob("workflow/seqbench/**/*.py"), *ROOT.glob("workflow/statements/*.yaml")]:
        text = path.read_text()
        if path.suffix == ".py":
            docs = (
                n
                for n in ast.walk(ast.parse(text))
                if isinstance(n, ast.Module | ast.FunctionDef | ast.ClassDef)
            )
            text = " ".join(filter(None, map(ast.get_docstring, docs)))
        named |= set(re.findall(r"([A-Z][a-z]+)(?: & [A-Z][a-z]+| et al\.),? (\d{4})", text))
    literature = text_of("docs/method.md").partition("## Literature")[2]
    assert len(named) > 8
    assert (
        sorted(f"{a} {y}" for a, y in named if not re.search(rf"- {a}.* {y}, \[", literature)) == []
    )


def test_the_results_link_the_papers_that_they_name():
    text = readme.results(REFERENCE, REFERENCE)
    linked = re.findall(r"\[([A-Z][^\[\]]+ \d{4})\]\(http", text)
    assert len(set(linked)) > 8
    named = re.findall(r"[A-Z][a-z]+(?: & [A-Z][a-z]+| et al\.) \d{4}", text)
    assert sorted(named) == sorted(name for name in linked if "&" in name or "et al." in name)
