"use strict";
// What the selectors change: overview, chart, what is behind a cell, training curves, cost against recall.

const tokens = (n) => `${n.toLocaleString("en")} tokens`;
const solvedOf = (cells) => `${cells.filter((c) => known(c.solved_step)).length} of ${cells.length}`;

// Model x length; the shade of a cell says how far it is from the best of its column.
function drawGrid() {
  const table = rows(state.experiment), lengths = distinct(table.map((r) => r.seq_len)).sort((a, b) => a - b);
  const best = (column) => {
    const values = column.map((r) => measured(r)[0]).filter((v) => known(v) && v > 0);
    return (metricNow().more ? Math.max : Math.min)(...values);
  };
  const cell = (model, n) => {
    const column = table.filter((r) => r.seq_len === n), r = column.find((c) => c.model === model), name = `${model},${n}`;
    if (!r) return element("td");
    const [value] = measured(r), top = best(column);
    const far = known(value) && value > 0 && known(top) ? Math.min(1, Math.abs(Math.log10(value / top)) / 2) : 0;
    const pressed = { type: "button", "aria-pressed": String(name === state.cell), onclick: () => change({ cell: name }) };
    const runs = element("small", {}, "solved" in r ? `${r.solved} of ${r.n} solved` : `n = ${r.n}`);
    const tint = `background: color-mix(in srgb, var(--open) ${Math.round(45 * far)}%, transparent)`;
    return element("td", { style: tint }, element("button", pressed, known(value) ? withUnit(value, unit()) : whyNot(r), runs));
  };
  const head = lengths.map((n) => element("th", { scope: "col", class: "number" }, tokens(n)));
  const body = shownModels().map((model) =>
    element("tr", {}, element("th", { scope: "row" }, words(model)), lengths.map((n) => cell(model, n))));
  fill("grid", element("table", {},
    element("caption", { class: "hidden" }, `${titleNow()}, each model at each length`),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "model"), head)), element("tbody", {}, body)));
}

function drawChart() {
  const models = shownModels(), title = titleNow(), xTitle = "sequence length (tokens)";
  const values = rows(state.experiment, (r) => models.includes(r.model)).map((r) => {
    const [value, low, high] = measured(r), about = { model: r.model, name: words(r.model), x: r.seq_len, n: r.n, flags: r.flags ?? "" };
    return { ...about, value, low, high, text: textOf(r), why: whyNot(r) };
  });
  const options = { models, title, x: state.x, xTitle, type: metricNow().linear ? "linear" : state.y, unit: unit(), interval: state.interval };
  fill("chart-text", `${title[0].toUpperCase()}${title.slice(1)} in the experiment ${words(state.experiment)}. Marks are medians over `,
    `${kind() === "timing" ? "processes" : "seeds"}, bars their 95 % intervals where the run has them; ✕ on top is a cell without a value.`);
  const records = values.map((v) => ({ model: v.name, [xTitle]: digits(v.x), value: v.text, n: String(v.n), flags: v.flags }));
  const pick = (_, item) => item?.datum?.model && change({ cell: `${item.datum.model},${item.datum.x}` });
  show("chart-view", againstLength(values, options), records).then((view) => view.addEventListener("click", pick));
}

// The processes or seeds behind one cell.
function drawCell() {
  const [model, length] = state.cell.split(","), here = (c) => c.model === model && c.seq_len === Number(length);
  const [r] = rows(state.experiment, here), cells = rows(`${state.experiment}_cells`, here).sort((a, b) => a.seed - b.seed);
  (kind() === "timing" ? drawProcesses : drawSeeds)(`${words(model)} at ${tokens(Number(length))}`, model, r, cells, here);
  const shards = DATA.shards.replace("EXPERIMENT", state.experiment).replace("CELL", `model~${model}/seq_len~${length}/seed~`);
  const [folder, suffix] = shards.split(/(?=\.parquet)/), seeds = cells.map((c) => c.seed);
  fill("cell-shards", "Shards, in the folder of the run that made them, each with every raw sample or step: ", element("code", {}, `${folder}{${seeds}}${suffix}`));
}

function drawProcesses(name, model, r, cells, here) {
  const time = bracketed(r.time_median_s, r.time_low_s, r.time_high_s, "s");
  fill("cell-text", `${name}: ${time} (${r.interval}). One row per process: a tick is a sample, the dot the process's time, `,
    "the band the 95 % interval of the median over processes.");
  const samples = (DATA.lists[`${state.experiment}_samples`] ?? []).filter(here);
  const ticks = samples.flatMap((s) => s.y.map((value) => ({ process: String(s.seed), value })));
  const dots = cells.filter((c) => known(c.time_s)).map((c) => ({ process: String(c.seed), value: c.time_s, text: withUnit(c.time_s, "s") }));
  show("cell-view", ofProcesses(ticks, dots, [r.time_low_s, r.time_high_s], model));
  fill("cell-rows", tableOf(cells.map((c) => ({
    process: String(c.seed), status: c.status, time: withUnit(c.time_s, "s"), "first call": withUnit(c.cold_s, "s"),
    [`reference, ${words(c.reference ?? "none")}`]: withUnit(c.reference_time_s, "s"), calibration: withUnit(c.calibration_s, "s"),
    RAM: withUnit(c.call_ram_bytes, "B"), "cores busy elsewhere": digits(c.busy_cores), flags: c.flags,
    started: (c.started_at ?? "").slice(0, 19),
  }))));
}

function drawSeeds(name, model, r, cells) {
  const share = `${r.solved} of ${r.n} runs solved [${withUnit(r.solved_low, "%")}, ${withUnit(r.solved_high, "%")}]`;
  fill("cell-text", `${name}: ${share}. One row per seed: the step at which it was solved, hollow where it was not; `,
    "the dashed line is the budget.");
  const runs = cells.map((c) => {
    const solved = known(c.solved_step), text = solved ? `solved at step ${digits(c.solved_step)}` : `not solved in ${digits(c.budget_steps)} steps`;
    return { process: String(c.seed), value: solved ? c.solved_step : c.budget_steps, solved, text };
  });
  show("cell-view", ofRuns(runs, Math.max(...cells.map((c) => c.budget_steps)), model));
  fill("cell-rows", tableOf(cells.map((c) => ({
    seed: String(c.seed), status: c.status, "solved at step": digits(c.solved_step), in: withUnit(c.solved_s, "s"),
    "steps done": digits(c.steps), "final loss": digits(c.final_loss), "final accuracy": digits(c.final_accuracy),
    "learning rate": String(c.lr), started: (c.started_at ?? "").slice(0, 19),
  }))));
}

function drawTraining() {
  const models = shownModels(state.training), mine = (c) => models.includes(c.model);
  const all = rows(`${state.training}_cells`, mine), curves = (DATA.lists[`${state.training}_curves`] ?? []).filter(mine);
  const longest = Math.max(...all.map((c) => c.budget_steps)), highest = 1.1 * Math.max(...all.map((c) => c.chance_loss_nats));
  const panels = distinct(all.map((c) => c.seq_len)).sort((a, b) => a - b).map((length) => {
    const cells = all.filter((c) => c.seq_len === length), here = curves.filter((c) => c.seq_len === length);
    const of = (model) => cells.filter((c) => c.model === model);
    const caption = models.filter((m) => of(m).length).map((m) => `${words(m)}: ${solvedOf(of(m))} solved.`).join(" ");
    const figure = element("figure", {}, element("div"), element("figcaption", {}, caption));
    return [figure, trainingCurves(linesOf(cells, here), models, { type: state.x, title: tokens(length), longest, highest })];
  });
  fill("training-view", panels.map(([figure]) => figure));
  for (const [figure, spec] of panels) show(figure.firstChild, spec);
}

// Points of the curves at one length, where they were solved, budgets and floors.
function linesOf(cells, curves) {
  const run = (c) => `${words(c.model)}, seed ${c.seed}`, [first] = cells;
  const points = curves.flatMap((c) => c.x.map((x, i) => ({ run: run(c), model: c.model, x, y: c.y[i] })));
  const ends = cells.filter((c) => known(c.solved_step)).flatMap((c) => {
    const curve = curves.find((h) => h.model === c.model && h.seed === c.seed), i = curve?.x.findIndex((x) => x >= c.solved_step);
    return i >= 0 ? [{ run: run(c), model: c.model, x: c.solved_step, y: curve.y[i] }] : [];
  });
  const pairs = distinct(cells.map((c) => `${c.model}|${c.budget_steps}`)).map((pair) => pair.split("|"));
  const budgets = pairs.map(([model, steps]) => ({ model, x: Number(steps), text: `${words(model)}: ${digits(Number(steps))} steps` }));
  const floors = [[first.chance_loss_nats, "a guess"], [first.bag_of_tokens_loss_nats, "counts tokens, no order"]];
  return { points, ends, budgets, floors: floors.map(([y, name]) => ({ y, name })) };
}

// What solving costs; `of`: [median, what it is more than where most runs are not solved].
const COSTS = {
  seconds: { title: "seconds of training until solved, median", unit: "s",
    of: (r) => [r.seconds_to_solve_median_s, r.budget_steps * r.step_median_s] },
  steps: { title: "training steps until solved, median", unit: "steps", of: (r) => [r.steps_to_solve_median, r.budget_steps] },
  call: { title: "time of a forward pass at the longest length timed", unit: "s", of: (r) => [callOf(r.model), null] },
};
const callOf = (model) =>
  rows("timing", (r) => r.model === model && known(r.time_median_s)).sort((a, b) => b.seq_len - a.seq_len)[0]?.time_median_s;

function drawCost() {
  const cost = COSTS[state.cost], models = shownModels(state.training);
  const points = rows(state.training, (r) => models.includes(r.model)).map((r) => {
    const [value, budget] = cost.of(r), bound = !known(value), at = bound ? budget : value;
    const about = { model: r.model, name: words(r.model), length: r.seq_len, solved: `${r.solved} of ${r.n}` };
    const text = `${bound ? "more than " : ""}${withUnit(at, cost.unit)}`;
    return { ...about, share: r.solved_share, low: r.solved_low, high: r.solved_high, cost: at, bound, text };
  }).filter((p) => known(p.cost));
  if (!points.length) return fill("cost-view", element("p", { class: "soft" }, "No model of this run was measured both ways."));
  const records = points.map((p) => ({ model: p.name, tokens: digits(p.length), solved: p.solved, cost: p.text }));
  show("cost-view", shareAgainstCost(points, models, cost, { type: state.x, interval: state.interval }), records);
}
