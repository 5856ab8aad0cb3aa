"use strict";
// The view is one object, kept in the address; whatever changes it draws the page's sections anew.

const EXPERIMENTS = Object.keys(DATA.experiments);
const TRAININGS = EXPERIMENTS.filter((name) => DATA.experiments[name] === "training");
const kind = (name = state.experiment) => DATA.experiments[name];
const swept = (name) => rows(name).some((r) => "chosen" in r);
const modelsOf = (name) => distinct(rows(name).map((r) => r.model));
const shownModels = (name = state.experiment) => {
  const all = modelsOf(name), chosen = all.filter((m) => state.models.includes(m));
  return chosen.length ? chosen : all;
};
const COSTS = {
  seconds: { title: "seconds of training until solved, median", unit: "s", of: (r) => [r.seconds_to_solve_median_s, r.budget_steps * r.step_median_s] },
  steps: { title: "training steps until solved, median", unit: "steps", of: (r) => [r.steps_to_solve_median, r.budget_steps] },
  call: { title: "time of a forward pass at the longest length timed", unit: "s", of: (r) => [callOf(r.model), null] },
};
const callOf = (model) => rows("timing", (r) => r.model === model && known(r.time_median_s)).sort((a, b) => b.seq_len - a.seq_len)[0]?.time_median_s;

// ---- The view and the address

const DEFAULTS = { experiment: EXPERIMENTS[0], models: [], metric: "", relative: "", x: "log", y: "log", theme: "auto",
  interval: true, cell: "", training: TRAININGS[0] ?? "", cost: "seconds" };
let state = { ...DEFAULTS };

function restore() {
  const asked = Object.fromEntries(new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : ""));
  state = { ...DEFAULTS, ...Object.fromEntries(Object.entries(asked).filter(([key]) => key in DEFAULTS)) };
  state.models = asked.models ? asked.models.split(",") : [];
  state.interval = asked.interval !== "off";
  settle();
  draw();
}

// What does not fit together (another kind of experiment has other metrics) falls back.
function settle() {
  if (!(state.experiment in DATA.experiments)) state.experiment = DEFAULTS.experiment;
  if (!TRAININGS.includes(state.training)) state.training = DEFAULTS.training;
  if (!(state.cost in COSTS)) state.cost = DEFAULTS.cost;
  const metrics = METRICS[kind()];
  if (!(state.metric in metrics)) state.metric = Object.keys(metrics)[0];
  if (!modelsOf(state.experiment).includes(state.relative) || !metrics[state.metric].relative) state.relative = "";
  for (const axis of ["x", "y"]) if (!["log", "linear"].includes(state[axis])) state[axis] = "log";
  const [model, length] = state.cell.split(",");
  if (!rows(state.experiment, (r) => r.model === model && String(place(r)) === length).length) {
    const first = rows(state.experiment, (r) => r.model === shownModels()[0]).at(-1);
    state.cell = `${first.model},${place(first)}`;
  }
}

function change(part) {
  Object.assign(state, part);
  settle();
  const kept = Object.entries(state).filter(([key, value]) => String(value) !== String(DEFAULTS[key]));
  const fragment = new URLSearchParams(kept.map(([k, v]) => [k, v === false ? "off" : String(v)]));
  history.replaceState(null, "", `#${String(fragment).replaceAll("%2C", ",") || "overview"}`);
  draw();
  byId("said").textContent = `${words(state.experiment)}, ${METRICS[kind()][state.metric].title}${state.relative && `, relative to ${words(state.relative)}`}`;
}

// ---- Values

// Where a row stands: its length, or its learning rate in a sweep.
const place = (r) => ("chosen" in r ? r.lr : r.seq_len);

// Value with bounds of a row in the metric chosen, relative to a model where one is.
function measured(r) {
  const metric = METRICS[kind()][state.metric];
  if (!state.relative) return metric.of(r);
  if (r.model === state.relative) return known(metric.of(r)[0]) ? [1] : [];
  if (metric.relative === "quotient") {
    const base = rows(state.experiment, (b) => b.model === state.relative && b.seq_len === r.seq_len)[0];
    return base ? [metric.of(r)[0] / metric.of(base)[0]] : [];
  }
  const pair = rows("relative", (p) => p.experiment === state.experiment && p.model === r.model && p.relative_to === state.relative && p.seq_len === r.seq_len)[0];
  return pair ? metric.relative(pair) : [];
}
const unit = () => (state.relative ? "×" : METRICS[kind()][state.metric].unit);
const whyNot = (r) => [r.out_of_memory && "out of memory", r.over_budget && "over budget", r.diverged && "diverged",
  r.steps_to_solve_median === Infinity && "not solved within the budget"].filter(Boolean).join(", ") || "no value";
function textOf(r) {
  const [value, low, high] = measured(r);
  return known(value) ? bracketed(value, state.interval ? low : null, high, unit()) : whyNot(r);
}

// ---- Drawing

// A chart, and its numbers as a table for those who cannot see it; returns its view.
async function show(place, spec, records = []) {
  const holder = element("div"), target = typeof place === "string" ? byId(place) : place;
  target.replaceChildren(holder);
  if (records.length) target.append(element("details", { class: "data" }, element("summary", {}, "The numbers as a table"), element("div", { class: "wide" }, tableOf(records))));
  const size = { width: "container", autosize: { type: "fit-x", contains: "padding" } };
  const actions = { export: true, source: false, compiled: false, editor: false };
  return (await vegaEmbed(holder, { ...size, ...spec }, { renderer: "svg", config: config(), actions, tooltip: { theme: isDark() ? "dark" : "light" } })).view;
}

// Each part of the page is drawn anew when something that it depends on has changed.
const explored = ["experiment", "metric", "relative", "models", "x", "y", "interval", "theme"];
const drawn = new Map();
function draw() {
  document.documentElement.dataset.theme = state.theme;
  drawControls();
  const parts = [[drawGrid, [...explored, "cell"]], [drawChart, explored], [drawCell, ["experiment", "cell", "theme"]], [drawTraining, ["training", "models", "x", "theme"]],
    [drawCost, ["training", "cost", "models", "x", "interval", "theme"]], [drawAudit, ["theme"]], [drawNoise, ["theme"]], [drawComparison, ["theme"]]];
  for (const [part, keys] of parts) {
    const view = JSON.stringify([isDark(), keys.map((key) => state[key])]);
    if (drawn.get(part) !== view) part();
    drawn.set(part, view);
  }
}

function drawControls() {
  const form = byId("view"), metrics = METRICS[kind()];
  const choose = (select, pairs, value) => { select.replaceChildren(...pairs.map(([v, text]) => new Option(text, v, false, v === value))); };
  choose(form.experiment, EXPERIMENTS.map((e) => [e, words(e)]), state.experiment);
  choose(form.metric, Object.entries(metrics).map(([k, m]) => [k, m.title]), state.metric);
  choose(form.relative, [["", "nothing"], ...modelsOf(state.experiment).map((m) => [m, words(m)])], state.relative);
  form.relative.disabled = !metrics[state.metric].relative;
  for (const key of ["x", "y", "theme"]) form[key].value = state[key];
  form.interval.checked = state.interval;
  const swatch = (model) => {
    const { color, linestyle } = lookOf(model);
    const svg = element("span");
    svg.innerHTML = `<svg viewBox="0 0 30 12" aria-hidden="true"><path d="M0 6h30" stroke="${shade(color)}" stroke-width="3" stroke-dasharray="${DASHES[linestyle] ?? ""}"/></svg>`;
    return svg;
  };
  const focused = document.activeElement?.value;
  fill("models", modelsOf(state.experiment).map((model) => element("label", {},
    element("input", { type: "checkbox", name: "models", value: model, checked: shownModels().includes(model) }), swatch(model), words(model))));
  const again = focused && byId("models").querySelector(`[value="${focused}"]`);
  if (again && document.activeElement === document.body) again.focus();
  choose(document.querySelector("[name=training]"), TRAININGS.map((e) => [e, words(e)]), state.training);
  choose(document.querySelector("[name=cost]"), Object.entries(COSTS).map(([k, c]) => [k, c.title]), state.cost);
}

// Model x length; the shade of a cell says how far it is from the best of its column.
function drawGrid() {
  const table = rows(state.experiment), lengths = distinct(table.map(place)).sort((a, b) => a - b);
  const more = ["tokens", "rate", "solved", "accuracy"].includes(state.metric);
  const best = (column) => Math[more ? "max" : "min"](...column.map((r) => measured(r)[0]).filter((v) => known(v) && v > 0));
  const head = element("tr", {}, element("th", { scope: "col" }, "model"), lengths.map((n) => element("th", { scope: "col", class: "number" }, swept(state.experiment) ? `rate ${n}` : `${n.toLocaleString("en")} tokens`)));
  const body = shownModels().map((model) => element("tr", {}, element("th", { scope: "row" }, words(model)), lengths.map((n) => {
    const [r] = table.filter((t) => t.model === model && place(t) === n);
    if (!r) return element("td");
    const [value] = measured(r), top = best(table.filter((t) => place(t) === n));
    const far = known(value) && value > 0 && known(top) ? Math.min(1, Math.abs(Math.log10(value / top)) / 2) : 0;
    const cell = `${model},${n}`;
    const button = element("button", { type: "button", "aria-pressed": String(cell === state.cell), onclick: () => change({ cell }) },
      known(value) ? withUnit(value, unit()) : whyNot(r), element("small", {}, "solved" in r ? `${r.solved} of ${r.n} solved` : `n = ${r.n}`));
    return element("td", { style: `background: color-mix(in srgb, var(--open) ${Math.round(45 * far)}%, transparent)` }, button);
  })));
  fill("grid", element("table", {}, element("caption", { class: "hidden" }, `${METRICS[kind()][state.metric].title} of each model at each length`), element("thead", {}, head), element("tbody", {}, body)));
}

function drawChart() {
  const metric = METRICS[kind()][state.metric], models = shownModels();
  const table = rows(state.experiment, (r) => models.includes(r.model));
  const values = table.map((r) => {
    const [value, low, high] = measured(r);
    return { model: r.model, name: words(r.model), x: place(r), value, low, high, n: r.n, flags: r.flags ?? "", text: textOf(r), why: whyNot(r) };
  });
  const title = metric.title + (state.relative ? `, relative to ${words(state.relative)}` : "");
  const xTitle = swept(state.experiment) ? "learning rate" : "sequence length (tokens)";
  const options = { models, title, x: state.x, xTitle, type: metric.linear ? "linear" : state.y, unit: unit(), interval: state.interval };
  const runs = kind() === "timing" ? "processes" : "seeds";
  fill("chart-text", `${title[0].toUpperCase()}${title.slice(1)} in the experiment ${words(state.experiment)}. Marks are medians over ${runs}, bars their 95 % intervals where the run has them; ✕ on top is a cell without a value.`);
  show("chart-view", againstLength(values, options), values.map((v) => ({ model: v.name, [xTitle]: digits(v.x), value: v.text, n: String(v.n), flags: v.flags })))
    .then((view) => view.addEventListener("click", (_, item) => item?.datum?.model && change({ cell: `${item.datum.model},${item.datum.x}` })));
}

// The processes or seeds behind one cell.
function drawCell() {
  const [model, at] = state.cell.split(","), number = Number(at);
  const [r] = rows(state.experiment, (t) => t.model === model && place(t) === number);
  const here = (c) => c.model === model && (swept(state.experiment) ? c.lr : c.seq_len) === number;
  const cells = rows(`${state.experiment}_cells`, here).sort((a, b) => a.seed - b.seed);
  const label = (c) => swept(state.experiment) ? `${c.seed}, ${c.seq_len} tokens` : String(c.seed);
  const path = (c) => DATA.shards.replace("EXPERIMENT", state.experiment).replace("CELL", `${swept(state.experiment) ? `lr~${c.lr}/` : ""}model~${c.model}/seq_len~${c.seq_len}/seed~${c.seed}`);
  const name = `${words(model)} at ${swept(state.experiment) ? `a learning rate of ${at}` : `${number.toLocaleString("en")} tokens`}`;
  if (kind() === "timing") {
    const samples = (DATA.lists[`${state.experiment}_samples`] ?? []).filter(here);
    const ticks = samples.flatMap((s) => s.y.map((value) => ({ process: label(s), value })));
    fill("cell-text", `${name}: ${bracketed(r.time_median_s, r.time_low_s, r.time_high_s, "s")} (${r.interval}). One row per process: a tick is a sample, the dot the process's time, the band the 95 % interval of the median over processes.`);
    show("cell-view", ofProcesses(ticks, cells.filter((c) => known(c.time_s)).map((c) => ({ process: label(c), value: c.time_s, text: withUnit(c.time_s, "s") })), [r.time_low_s, r.time_high_s], model));
    fill("cell-rows", tableOf(cells.map((c) => ({ process: label(c), status: c.status, time: withUnit(c.time_s, "s"), "first call": withUnit(c.cold_s, "s"), [`reference, ${words(c.reference ?? "none")}`]: withUnit(c.reference_time_s, "s"),
      calibration: withUnit(c.calibration_s, "s"), RAM: withUnit(c.call_memory_bytes, "B"), "cores busy elsewhere": digits(c.busy_cores), started: (c.started_at ?? "").slice(0, 19) }))));
  } else {
    const budget = Math.max(...cells.map((c) => c.budget_steps));
    const runs = cells.map((c) => ({ process: label(c), value: c.solved_step ?? c.budget_steps, solved: known(c.solved_step), text: known(c.solved_step) ? `solved at step ${digits(c.solved_step)}` : `not solved in ${digits(c.budget_steps)} steps` }));
    fill("cell-text", `${name}: ${r.solved} of ${r.n} runs solved [${withUnit(r.solved_low, "%")}, ${withUnit(r.solved_high, "%")}]. One row per seed: the step at which it was solved, hollow where it was not; the dashed line is the budget.`);
    show("cell-view", ofRuns(runs, budget, model));
    fill("cell-rows", tableOf(cells.map((c) => ({ seed: label(c), status: c.status, "solved at step": digits(c.solved_step), "in": withUnit(c.solved_s, "s"), "steps done": digits(c.steps),
      "final loss": digits(c.final_loss), "final accuracy": digits(c.final_accuracy), "learning rate": String(c.lr), started: (c.started_at ?? "").slice(0, 19) }))));
  }
  fill("cell-shards", "Shards, each with every raw sample or step: ", element("code", {}, cells.length ? `${path(cells[0])} … seed~${cells.at(-1).seed}.parquet` : "none"));
}

function drawTraining() {
  const name = state.training, models = shownModels(name), all = rows(`${name}_cells`, (c) => models.includes(c.model));
  const curves = (DATA.lists[`${name}_curves`] ?? []).filter((c) => models.includes(c.model));
  const shared = { type: state.x, longest: Math.max(...all.map((c) => c.budget_steps)), highest: 1.1 * Math.max(...all.map((c) => c.chance_loss_nats)) };
  const panels = distinct(all.map((c) => c.seq_len)).sort((a, b) => a - b).map((length) => {
    const cells = all.filter((c) => c.seq_len === length), [first] = cells;
    const run = (c) => `${words(c.model)}, seed ${c.seed}${swept(name) ? `, rate ${c.lr}` : ""}`;
    const here = curves.filter((c) => c.seq_len === length);
    const points = here.flatMap((c) => c.x.map((x, i) => ({ run: run(c), model: c.model, x, y: c.y[i] })));
    const ends = cells.filter((c) => known(c.solved_step)).flatMap((c) => {
      const curve = here.find((h) => run(h) === run(c)), i = curve?.x.findIndex((x) => x >= c.solved_step);
      return i >= 0 ? [{ run: run(c), model: c.model, x: c.solved_step, y: curve.y[i] }] : [];
    });
    const budgets = models.flatMap((model) => distinct(cells.filter((c) => c.model === model).map((c) => c.budget_steps)).map((x) => ({ model, x, text: `${words(model)}: ${digits(x)} steps` })));
    const floors = [{ y: first.chance_loss_nats, name: "a guess" }, { y: first.bag_of_tokens_loss_nats, name: "counts tokens, no order" }];
    const figure = element("figure", {}, element("div"), element("figcaption", {}, models.map((model) => {
      const of = cells.filter((c) => c.model === model);
      return of.length ? `${words(model)}: ${of.filter((c) => known(c.solved_step)).length} of ${of.length} solved. ` : "";
    }).join("")));
    return [figure, trainingCurves({ points, ends, budgets, floors }, models, { ...shared, title: `${length} tokens` })];
  });
  fill("training-view", panels.map(([figure]) => figure));
  for (const [figure, spec] of panels) show(figure.firstChild, spec);
}

function drawCost() {
  const cost = COSTS[state.cost], models = shownModels(state.training);
  const points = rows(state.training, (r) => models.includes(r.model) && !("chosen" in r)).map((r) => {
    const [value, budget] = cost.of(r), bound = !known(value), at = bound ? budget : value;
    return { model: r.model, name: words(r.model), length: r.seq_len, share: r.solved_share, low: r.solved_low, high: r.solved_high, cost: at, bound,
      solved: `${r.solved} of ${r.n}`, text: `${bound ? "more than " : ""}${withUnit(at, cost.unit)}` };
  }).filter((p) => known(p.cost));
  if (!points.length) return fill("cost-view", element("p", { class: "soft" }, "No model of this run was measured both ways."));
  show("cost-view", shareAgainstCost(points, models, cost, { type: state.x, interval: state.interval }), points.map((p) => ({ model: p.name, tokens: digits(p.length), solved: p.solved, cost: p.text })));
}

// From claim to rule, evidence, rows, shards and the command.
function drawVerdicts() {
  const tone = { supported: "good", refuted: "bad" };
  fill("verdict-rows", rows("verdicts").map((v) => {
    const evidence = rows("findings", (f) => f.statement === v.claim);
    return element("details", {}, element("summary", {}, `“${v.quote}” `, element("span", { class: `verdict ${tone[v.verdict] ?? "open"}` }, v.verdict)),
      element("dl", {}, ...[["Rule", v.rule], ["Depends on", v.depends_on.replaceAll(" | ", "; ")], ["Evidence", element("div", { class: "wide" }, findingsTable(evidence))],
        ["What would decide", v.would_decide.replaceAll(" | ", "; ")], ["Rows", `tables findings and ${distinct(evidence.map((f) => `${f.experiment}_cells`)).join(", ")} (below)`],
        ["Shards", element("code", {}, v.shards.split(", ").map((s) => DATA.shards.split("EXPERIMENT")[0] + s).join(" "))], ["To reproduce", element("code", {}, v.reproduce)]]
        .filter(([, text]) => text).flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)])));
  }), rows("verdicts").length ? null : element("p", { class: "soft" }, "This run has no verdicts."));
}
const findingsTable = (findings) => tableOf(findings.map((f) => ({ condition: f.condition, models: f.models.split(" / ").map(words).join(" / "), tokens: known(f.seq_len) ? f.seq_len.toLocaleString("en") : f.where || "all",
  measure: measureOf(f), found: f.found, n: digits(f.n), accepted: known(f.accepted_low) || known(f.accepted_high) ? `${digits(f.accepted_low)} to ${digits(f.accepted_high)}` : "–", outcome: f.outcome })));
const measureOf = (f) => words(f.measure) + (f.options ? ` (${f.options})` : "");
const viewOf = (name) => tableOf(rowsOf(DATA.views[name]));

function drawAudit() {
  const time = rows("audit", (r) => r.part === "time"), steps = distinct(time.map((r) => r.title));
  const values = time.filter((r) => known(r.value) && known(r.seq_len)).map((r) => ({ step: `${r.step}. ${r.title}`, length: r.seq_len, value: r.value, low: r.low, high: r.high, text: r.found, short: `${digits(r.value)}×` }));
  if (values.length) show("audit-view", auditLadder(values, Math.max(...values.map((v) => v.length))), values.map((v) => ({ step: v.step, tokens: digits(v.length), ratio: v.text })));
  fill("audit-steps", steps.map((title) => {
    const of = time.filter((r) => r.title === title);
    return element("li", {}, element("b", {}, title), `: ${of[0].sentence} `, element("span", { class: "soft" }, of.map((r) => (known(r.seq_len) ? `${r.seq_len.toLocaleString("en")} tokens: ${r.found}` : r.found)).join("; ")));
  }));
  const recall = rows("audit", (r) => r.part === "recall"), measures = distinct(recall.map(measureOf));
  fill("audit-recall", tableOf(distinct(recall.map((r) => `${r.step}|${r.condition}`)).map((key) => {
    const of = recall.filter((r) => `${r.step}|${r.condition}` === key), found = (m) => of.find((r) => measureOf(r) === m)?.found ?? "–";
    return { step: `${of[0].step}. ${of[0].title}`, model: of[0].condition, ...Object.fromEntries(measures.map((m) => [m, found(m)])), "what changed": of[0].sentence };
  })));
}

function drawMachine() {
  const every = EXPERIMENTS.flatMap((e) => rows(`${e}_cells`)), of = (key) => distinct(every.map((c) => c[key]).filter((v) => v !== null && v !== undefined)).join(", ") || "not known";
  const failed = every.filter((c) => c.status !== "ok").length;
  fill("run", `${every.length.toLocaleString("en")} cells, ${failed || "none"} of them without a result, on ${of("device_name")} with torch ${of("torch")}.`);
  fill("machine-text", `${of("device_name")}; ${of("cpu_cores")} cores, ${of("threads")} thread(s) per cell, frequency governor ${of("governor")}; ${of("kernel")}, Python ${of("python")}, torch ${of("torch")}; memory: ${of("malloc")}; commit ${of("git_commit")}${every.some((c) => c.git_dirty) ? ", with uncommitted changes" : ""}.`);
  fill("machine-rows", viewOf("run"));
}

function drawNoise() {
  const timed = EXPERIMENTS.filter((e) => kind(e) === "timing"), cells = timed.flatMap((e) => rows(`${e}_cells`, (c) => known(c.calibration_s)).map((c) => ({ ...c, e })));
  if (!cells.length) return;
  const sorted = cells.map((c) => c.calibration_s).sort((a, b) => a - b), middle = sorted[sorted.length >> 1];
  const values = cells.map((c) => ({ at: c.started_at, value: c.calibration_s / middle - 1, cell: `${words(c.model)}, ${c.seq_len}, ${c.seed} (${c.e})`, flags: c.flags, flagged: c.flags ? "flagged" : "no flag" }));
  const off = values.map((v) => Math.abs(v.value)).sort((a, b) => a - b), flagged = values.filter((v) => v.flags).length;
  fill("noise-text", `The calibration kernel does the same work in every cell. In half of the cells its time was within ${digits(100 * off[off.length >> 1])} % of its median, in nine of ten within ${digits(100 * off[Math.floor(off.length * 0.9)])} %. ${flagged} of ${values.length} cells carry a flag. Below: the reference timed against itself over all lengths, which ought to give 1.`);
  show("noise-view", noise(values));
  fill("noise-rows", tableOf(rows("ratios", (r) => r.model === r.relative_to && known(r.ratio) && !known(r.seq_len)).map((r) => ({ experiment: words(r.experiment), model: words(r.model), ratio: bracketed(r.ratio, r.ratio_low, r.ratio_high, ""), verdict: r.verdict }))));
}

function drawComparison() {
  const table = rows("compare");
  byId("compare").hidden = !table.length;
  if (!table.length) return;
  const values = table.filter((r) => known(r.value) && r.part === "timing").map((r) => ({ name: `${words(r.model)}, ${r.seq_len}`, value: r.value, low: r.low, high: r.high, text: bracketed(r.value, r.low, r.high, "×"), outcome: r.outcome }));
  if (values.length) show("compare-view", twoRuns(values));
  fill("compare-rows", viewOf("compare"));
}

function drawTables() {
  const download = (name) => () => {
    const link = element("a", { href: URL.createObjectURL(new Blob([csv(name)], { type: "text/csv" })), download: `${name}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const whole = Object.keys(DATA.tables).map((name) => ({ table: name, rows: rows(name).length.toLocaleString("en"), columns: String(Object.keys(DATA.tables[name].columns).length), "": element("button", { type: "button", onclick: download(name), "aria-label": `Download ${name} as CSV` }, "CSV") }));
  const long = Object.keys(DATA.lists).map((name) => ({ table: name, rows: "many", columns: "–", "": element("a", { href: `../tables/${name}.parquet` }, "Parquet, in the run's folder") }));
  fill("table-rows", tableOf([...whole, ...long]));
}

// ---- Start

document.addEventListener("change", ({ target }) => {
  if (target.name === "models") change({ models: [...document.querySelectorAll("[name=models]:checked")].map((box) => box.value) });
  else if (target.name === "experiment") change({ experiment: target.value, ...(kind(target.value) === "training" ? { training: target.value } : {}) });
  else if (target.name) change({ [target.name]: target.type === "checkbox" ? target.checked : target.value });
});
document.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", () => location.hash.includes("=") && restore());
addEventListener("beforeprint", () => document.querySelectorAll("section > details, #verdict-rows details").forEach((d) => (d.open = true)));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
document.querySelector("nav").append(...[...document.querySelectorAll("section")].filter((s) => s.id !== "compare" || DATA.tables.compare).map((section) => {
  const title = section.querySelector("h2").textContent;
  return element("a", { href: `#${section.id}`, onclick: (event) => { event.preventDefault(); section.scrollIntoView(); section.tabIndex = -1; section.focus({ preventScroll: true }); } }, title);
}));
restore();
fill("answers", rows("answers").map((a) => element("li", {}, element("b", {}, `${a.title}. `), a.text)));
drawVerdicts();
fill("cause-rows", viewOf("causes"));
fill("expectation-rows", viewOf("expectations"));
fill("fairness-rows", viewOf("fairness"));
drawMachine();
drawTables();
