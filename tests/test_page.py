"""The report: what it holds, and in a real browser that it works, alone and for everybody.

The browser is Debian's chromium, driven by playwright (envs/browser.txt); without them these tests are
skipped. A picture of every section is left in tests/artefacts/.
"""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from tests import realistic
from tests.conftest import ROOT
from workflow.scripts import report_page
from workflow.seqbench.judging.compare import compare
from workflow.seqbench.results.measures import ratio
from workflow.seqbench.results.selecting import Run, select
from workflow.seqbench.showing import page, tables

CHROMIUM = shutil.which("chromium")
PICTURES = ROOT / "tests/artefacts"
SECTIONS = re.findall(r'<section id="(\w+)"', (page.PAGE / "page.html").read_text())
SHARDS = "results/EXPERIMENT/CELL.parquet"
QUIET = ("file:", "data:", "blob:")
CHANGES = {  # selector: a value that is not its first, and the view in which it can be chosen
    "experiment": ("recall", ""),
    "metric": ("tokens", ""),
    "relative": ("lstm", ""),
    "x": ("linear", ""),
    "y": ("linear", ""),
}


@pytest.fixture(scope="module")
def run(made_up_run):
    """The folder of a made-up run with its report."""
    folder, plan = made_up_run
    paths = sorted(folder.glob("tables/*.parquet"))
    (folder / "report").mkdir()
    report_page.main(paths, SHARDS, plan.names(), folder / "report/index.html")
    return folder


@pytest.fixture(scope="module")
def data(run):
    """What the page's script reads."""
    return page.data(run.glob("tables/*.parquet"), SHARDS, ["timing", "recall"])


# What it holds.


def test_it_is_one_file_of_modest_size(run):
    made = run / "report/index.html"
    assert [path.name for path in made.parent.iterdir()] == ["index.html"]
    assert 1e6 < made.stat().st_size <= 5e6


def test_it_is_the_same_page_each_time(run):
    again = page.render(run.glob("tables/*.parquet"), SHARDS, realistic.shipped_experiments())
    assert again == (run / "report/index.html").read_text()


def test_it_holds_every_table_whole_and_says_which_it_thins(run, data):
    made = {path.stem for path in run.glob("tables/*.parquet")}
    of_the_page = {"relative", "run"}  # it makes these itself
    assert made | of_the_page == set(data["tables"]) | set(data["lists"])
    assert set(data["lists"]) == {name for name in made if name.endswith(page.LONG)}
    for name, table in data["tables"].items():
        if name in of_the_page:
            continue
        frame = pd.read_parquet(run / f"tables/{name}.parquet")
        assert table["rows"] == len(frame)
        for column in frame:
            kept = table["columns"][column]
            kept = kept if isinstance(kept, list) else [kept] * len(frame)
            there = frame[column].notna().tolist()
            assert [k is not None for k in kept] == there
            assert [k for k in kept if k is not None] == frame[column].dropna().tolist()


def test_ratios_are_those_of_the_one_function(run, data):
    columns = data["tables"]["relative"]["columns"]
    rows = pd.DataFrame({k: v for k, v in columns.items()})
    assert set(zip(rows["model"], rows["relative_to"], strict=True)) >= {
        ("lstm", "transformer"),
        ("transformer", "lstm"),
        ("transformer_matched", "transformer"),
    }
    cells = Run.of_files(run.glob("tables/*_cells.parquet"))
    for row in rows.sample(8, random_state=0).itertuples():
        pair = [select(cells, row.experiment, m, row.seq_len) for m in (row.model, row.relative_to)]
        assert (row.ratio, row.low, row.high) == pytest.approx(ratio(*pair)[:3], nan_ok=True)
        ram = ratio(*pair, of="call_ram_bytes")[:3]
        assert (row.ram_ratio, row.ram_low, row.ram_high) == pytest.approx(ram, nan_ok=True)


def test_curves_keep_their_ends_and_their_shape(run, data):
    whole = pd.read_parquet(run / "tables/recall_curves.parquet")
    for cell in data["lists"]["recall_curves"][::7]:
        keys = ["model", "seq_len", "seed"]
        rows = whole[(whole[keys] == [cell[key] for key in keys]).all(axis=1)]
        assert cell["x"][0] == 1
        assert cell["x"][-1] == len(rows)
        assert len(cell["x"]) <= page.POINTS
        means = rows["train_loss"].rolling(page.SMOOTHING, min_periods=1).mean()
        assert np.interp(len(rows) / 2, cell["x"], cell["y"]) == pytest.approx(
            means.iloc[len(rows) // 2], abs=0.6
        )


def test_text_of_a_run_cannot_become_code(tmp_path, run):
    """A message of a failed cell stands in the page as text, whatever is in it."""
    for path in run.glob("tables/*.parquet"):
        shutil.copy(path, tmp_path)
    cells = pd.read_parquet(tmp_path / "timing_cells.parquet")
    cells.assign(error="</script><b>&\u2028").to_parquet(tmp_path / "timing_cells.parquet")
    text = page.render(tmp_path.glob("*.parquet"), SHARDS)
    (line,) = [line for line in text.splitlines() if "const DATA" in line]
    assert line.count("<") == 2  # its own script element
    literal = re.search(r"const DATA = (.*);</script>", line)[1]
    kept = json.loads(literal)["tables"]["timing_cells"]["columns"]["error"]
    assert kept == "</script><b>&\u2028"


# In a browser.


@pytest.fixture(scope="module")
def browser():
    reason = "needs Debian's chromium and: .venv/bin/pip install -r envs/browser.txt"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    if CHROMIUM is None:
        pytest.skip(reason)
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser, run):
    """A function that opens the report at a view; in the end nothing was complained of or asked for."""
    heard, contexts = [], []

    def opened(view="", width=1200, scheme="light", file=run / "report/index.html"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda m: m.type in ("error", "warning") and heard.append(m.text))
        tab.on("pageerror", lambda error: heard.append(str(error)))
        tab.on("request", lambda r: r.url.startswith(QUIET) or heard.append(r.url))
        tab.goto(f"{file.as_uri()}{view}")
        settle(tab)
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert heard == []


def settle(tab):
    """Wait until every chart is drawn."""
    tab.wait_for_function(
        "[...document.querySelectorAll('.chart, .panels > figure > div')].filter(c => c.offsetParent)"
        ".every(c => c.querySelector('svg.marks'))"
    )


def chart(tab, place="chart-view"):
    return tab.inner_html(f"#{place} svg.marks")


def test_a_picture_of_every_section(open_page):
    PICTURES.mkdir(exist_ok=True)
    for scheme, width in (("light", 1200), ("dark", 1200), ("light", 390)):
        tab = open_page(width=width, scheme=scheme)
        for section in SECTIONS:
            shown = tab.locator(f"#{section}")
            assert shown.is_visible() == (section != "compare")  # this run is held against none
            if shown.is_visible():
                shown.screenshot(path=PICTURES / f"page-{section}-{scheme}-{width}.png")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_first_screen_answers_the_question(open_page, run):
    tab = open_page()
    assert tab.locator("#answers li").all_inner_texts() == [
        f"{row.title}. {row.text}"
        for row in pd.read_parquet(run / "tables/answers.parquet").itertuples()
    ]
    assert tab.locator("#answers").bounding_box()["y"] < 400


@pytest.mark.parametrize("name", CHANGES)
def test_a_selector_changes_the_chart_and_the_address(open_page, name):
    value, view = CHANGES[name]
    tab = open_page(view)
    before = chart(tab)
    tab.select_option(f"[name={name}]", value)
    settle(tab)
    assert chart(tab) != before
    assert f"{name}={value}" in tab.url


def test_every_metric_of_every_experiment_is_drawn(open_page, data):
    tab = open_page()
    for experiment in data["experiments"]:
        tab.select_option("[name=experiment]", experiment)
        metrics = tab.eval_on_selector_all("[name=metric] option", "all => all.map(o => o.value)")
        seen = set()
        for metric in metrics:
            tab.select_option("[name=metric]", metric)
            settle(tab)
            seen.add(chart(tab))
            assert "NaN" not in tab.inner_text("main")
        assert len(seen) == len(metrics) >= 5


def test_models_and_intervals_can_be_left_out(open_page):
    tab = open_page()
    before, rows = chart(tab), tab.locator("#grid tbody tr").count()
    tab.uncheck("[name=interval]")
    settle(tab)
    without = chart(tab)
    assert without != before
    tab.uncheck("[name=models][value=transformer]")
    settle(tab)
    assert chart(tab) != without
    assert tab.locator("#grid tbody tr").count() == rows - 1
    assert "interval=off" in tab.url
    assert "transformer," not in tab.url


def test_a_linked_view_restores_itself(open_page):
    tab = open_page()
    for name, value in (("experiment", "train_step"), ("relative", "transformer"), ("x", "linear")):
        tab.select_option(f"[name={name}]", value)
    tab.uncheck("[name=interval]")
    tab.uncheck("[name=models][value=lstm]")
    tab.click("#grid tbody tr:nth-child(2) td:nth-child(2) button")
    settle(tab)
    again = open_page(tab.url[tab.url.index("#") :])
    for place in ("chart-view", "cell-view"):
        assert strip(chart(again, place)) == strip(chart(tab, place))
    for name in ("experiment", "metric", "relative", "x", "y"):
        assert again.input_value(f"[name={name}]") == tab.input_value(f"[name={name}]")
    assert again.inner_text("#grid") == tab.inner_text("#grid")
    assert not again.is_checked("[name=interval]")
    # An address with what this run does not have shows what it has.
    lost = open_page("#experiment=nothing&metric=nowhere&models=none&cell=a,1")
    assert lost.input_value("[name=experiment]") == "timing"
    assert lost.locator("#grid tbody tr").count() == 4


def strip(svg):
    """A drawing without the numbers that count its parts."""
    return re.sub(r'(id|clip-path)="[^"]*"', "", svg)


def test_a_cell_can_be_explored_down_to_its_samples(open_page, run):
    tab = open_page()
    samples = pd.read_parquet(run / "tables/timing_samples.parquet")
    cell = samples[(samples["model"] == "transformer") & (samples["seq_len"] == 500)]
    tab.focus("#grid tbody tr:nth-child(2) td:nth-child(3) button")
    tab.keyboard.press("Enter")
    settle(tab)
    assert "cell=transformer,500" in tab.url
    assert "Transformer (original) at 500 tokens" in tab.inner_text("#cell-text")
    ticks = tab.locator("#cell-view .layer_1_marks path")
    assert ticks.count() == len(cell)
    assert tab.locator("#cell-rows tbody tr").count() == cell["seed"].nunique()
    assert (
        "results/timing/model~transformer/seq_len~500/seed~{0,1,2,3,4,5}.parquet"
        in tab.inner_text("#cell-shards")
    )


def test_verdicts_lead_to_their_evidence(open_page, run):
    tab = open_page()
    verdicts = pd.read_parquet(run / "tables/verdicts.parquet")
    findings = pd.read_parquet(run / "tables/findings.parquet")
    shown = tab.locator("#verdict-rows details")
    assert shown.count() == len(verdicts)
    for i, verdict in enumerate(verdicts.itertuples()):
        one = shown.nth(i)
        one.locator("summary").press("Enter")
        text = one.inner_text()
        for part in (verdict.quote, verdict.verdict, verdict.rule, verdict.reproduce):
            assert part in text
        rows = one.locator("tbody tr").count()
        assert rows == (findings["statement"] == verdict.claim).sum()


def test_papers_are_linked_where_they_are_named(open_page):
    tab = open_page()
    for section in ("causes", "expectations"):
        links = tab.locator(f"#{section} td a").all()
        assert links
        for link in links:
            assert re.search(r" \d{4}$", link.text_content())
            assert link.get_attribute("href").startswith("https://")


def downloaded(tab, table, folder):
    """A table of the page by its button."""
    with tab.expect_download() as coming:
        tab.click(f"[aria-label='Download {table} as CSV']")
    coming.value.save_as(folder / f"{table}.csv")
    return pd.read_csv(folder / f"{table}.csv")


def test_a_table_comes_down_as_it_is(open_page, run, tmp_path):
    frame = downloaded(open_page(), "timing", tmp_path)
    pd.testing.assert_frame_equal(
        frame, pd.read_csv(run / "tables/timing.csv"), check_dtype=False, rtol=1e-12
    )


def test_ram_relative_to_a_model_is_the_one_ratio(open_page, run):
    """With its interval, which a division on the page could not have."""
    tab = open_page("#metric=ram&relative=lstm&models=lstm,transformer")
    cells = Run.of_files(run.glob("tables/timing_cells.parquet"))
    pair = [select(cells, "timing", model, 3000) for model in ("transformer", "lstm")]
    estimate = (f"{value:#.3g}×" for value in ratio(*pair, of="call_ram_bytes")[:3])
    records = tab.locator("#chart-view details.data").text_content()
    assert "{} [{}, {}]".format(*estimate) in records


def test_a_part_of_the_curves_comes_down_without_the_folder(open_page, data, tmp_path):
    frame = downloaded(open_page(), "recall_curves_thinned", tmp_path)
    assert list(frame) == ["model", "seq_len", "seed", "step", "train_loss_mean"]
    cells = data["lists"]["recall_curves"]
    assert len(frame) == sum(len(cell["x"]) for cell in cells)
    last = frame.query("model == @cells[-1]['model'] and seq_len == @cells[-1]['seq_len']")
    assert last.query("seed == @cells[-1]['seed']")["step"].tolist() == cells[-1]["x"]


def test_a_run_is_held_against_another(open_page, run, tmp_path):
    """The other one takes twice as long in every cell, and its claims are the same."""
    other = tmp_path / "other"
    shutil.copytree(run / "tables", other / "tables")
    cells = pd.read_parquet(other / "tables/timing_cells.parquet")
    slower = cells.assign(time_calibrated=2 * cells["time_calibrated"])
    tables.write(slower, other / "tables/timing_cells.parquet")
    table = compare(run, other)
    tables.write(table, tmp_path / "compare.parquet")
    paths = [*run.glob("tables/*.parquet"), tmp_path / "compare.parquet"]
    report_page.main(paths, SHARDS, ["timing"], tmp_path / "compare.html")
    tab = open_page(file=tmp_path / "compare.html")
    assert tab.locator("nav a[href='#compare']").is_visible()
    timed = table.query("part == 'timing'").dropna(subset=["value"])
    assert timed["value"].tolist() == pytest.approx([0.5] * len(timed))
    assert tab.locator("#compare-view .layer_2_marks path").count() == len(timed) > 15
    assert tab.locator("#compare-rows tbody tr").count() == len(table)
    assert "A faster" in tab.inner_text("#compare-rows")
    PICTURES.mkdir(exist_ok=True)
    tab.locator("#compare").screenshot(path=PICTURES / "page-compare-light-1200.png")


def test_it_can_be_used_without_eyes_or_mouse(open_page):
    tab = open_page()
    nameless = tab.eval_on_selector_all(
        "select, input, button, a",
        "all => all.filter(e => !(e.ariaLabel || e.labels?.length || e.textContent.trim())).length",
    )
    assert nameless == 0
    charts = tab.locator("[aria-roledescription=visualization]:has(svg.marks)").all()
    assert len(charts) == tab.locator("svg.marks").count() >= 7
    assert all(one.get_attribute("aria-label") for one in charts)
    assert tab.locator("table th:not([scope])").count() == 0
    # The first stop leads past the links, and a choice keeps its focus.
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.focus("[name=y]")
    tab.keyboard.press("ArrowDown")
    settle(tab)
    assert tab.evaluate("document.activeElement.name") == "y"
    assert "time of a call" in tab.inner_text("#status")
    tab.focus("[name=models][value=lstm]")
    tab.keyboard.press("Space")
    settle(tab)
    assert tab.evaluate("document.activeElement.value") == "lstm"


def test_light_and_dark_and_paper(open_page, tmp_path):
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = open_page(), open_page(scheme="dark")
    assert light.evaluate(background) == "rgb(255, 255, 255)"
    assert dark.evaluate(background) == "rgb(23, 24, 27)"
    assert chart(light) != chart(dark)
    light.select_option("[name=theme]", "dark")
    settle(light)
    assert light.evaluate(background) == dark.evaluate(background)
    dark.emulate_media(media="print")
    assert not dark.locator("[name=experiment]").is_visible()
    assert dark.locator("#models").is_visible()  # the key of the colours
    assert dark.locator("#chart-view svg.marks").is_visible()
    dark.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000
