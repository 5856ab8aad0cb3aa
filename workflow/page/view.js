"use strict";
// The view is one object, kept in the address; whatever changes it draws the parts of the page that depend on it.

const EXPERIMENTS = Object.keys(DATA.experiments);
const TRAININGS = EXPERIMENTS.filter((name) => DATA.experiments[name] === "training");
const DEFAULTS = { experiment: EXPERIMENTS[0], models: [], metric: "", relative: "", x: "log", y: "log", theme: "auto",
  interval: true, cell: "", training: TRAININGS[0] ?? "", cost: "seconds" };
let state = { ...DEFAULTS };

const kind = (name = state.experiment) => DATA.experiments[name];
const metricNow = () => METRICS[kind()][state.metric];
const modelsOf = (name) => distinct(rows(name).map((r) => r.model));
function shownModels(name = state.experiment) {
  const all = modelsOf(name), chosen = all.filter((m) => state.models.includes(m));
  return chosen.length ? chosen : all;
}

// ---- The address

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
  const one = (key, allowed) => { if (!allowed.includes(state[key])) state[key] = DEFAULTS[key] || allowed[0]; };
  one("experiment", EXPERIMENTS);
  one("training", TRAININGS);
  one("cost", Object.keys(COSTS));
  one("metric", Object.keys(METRICS[kind()]));
  one("x", ["log", "linear"]);
  one("y", ["log", "linear"]);
  if (!modelsOf(state.experiment).includes(state.relative) || !metricNow().relative) state.relative = "";
  if (!rows(state.experiment, (r) => state.cell === `${r.model},${r.seq_len}`).length) {
    const first = rows(state.experiment, (r) => r.model === shownModels()[0]).at(-1);
    state.cell = `${first.model},${first.seq_len}`;
  }
}

function change(part) {
  Object.assign(state, part);
  settle();
  const kept = Object.entries(state).filter(([key, value]) => String(value) !== String(DEFAULTS[key]));
  const fragment = String(new URLSearchParams(kept.map(([k, v]) => [k, v === false ? "off" : String(v)])));
  history.replaceState(null, "", `#${fragment.replaceAll("%2C", ",") || "overview"}`);
  draw();
  byId("status").textContent = `${words(state.experiment)}, ${titleNow()}`;
}

// ---- Values in the metric chosen, relative to a model where one is

const titleNow = () => metricNow().title + (state.relative ? `, relative to ${words(state.relative)}` : "");
const unit = () => (state.relative ? "×" : metricNow().unit);

// [value, low, high] of a row of the experiment's table; [] where there is none.
function measured(r) {
  const metric = metricNow();
  if (!state.relative) return metric.of(r);
  if (r.model === state.relative) return known(metric.of(r)[0]) ? [1] : [];
  const [other] = rows(state.experiment, (b) => b.model === state.relative && b.seq_len === r.seq_len);
  const alike = (p) => p.experiment === state.experiment && p.model === r.model && p.seq_len === r.seq_len;
  const [pair] = rows("relative", (p) => alike(p) && p.relative_to === state.relative);
  return pair ? metric.relative(pair, r, other) : [];
}
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
  const summary = element("summary", {}, "The numbers as a table");
  if (records.length) target.append(element("details", { class: "data" }, summary, element("div", { class: "wide" }, tableOf(records))));
  const size = { width: "container", autosize: { type: "fit-x", contains: "padding" } };
  const actions = { export: true, source: false, compiled: false, editor: false }, tooltip = { theme: isDark() ? "dark" : "light" };
  return (await vegaEmbed(holder, { ...size, ...spec }, { renderer: "svg", config: config(), actions, tooltip })).view;
}

// Each part of the page with what it depends on.
const chosen = ["experiment", "metric", "relative", "models", "x", "y", "interval"];
const PARTS = () => [
  [drawGrid, [...chosen, "cell"]], [drawChart, chosen], [drawCell, ["experiment", "cell"]],
  [drawTraining, ["training", "models", "x"]], [drawCost, ["training", "cost", "models", "x", "interval"]],
  [drawAudit, []], [drawNoise, []], [drawComparison, []],
];
const drawn = new Map();
function draw() {
  document.documentElement.dataset.theme = state.theme;
  drawControls();
  for (const [part, keys] of PARTS()) {
    const view = JSON.stringify([isDark(), keys.map((key) => state[key])]);
    if (drawn.get(part) !== view) part();
    drawn.set(part, view);
  }
}

function drawControls() {
  const form = byId("view");
  const choose = (select, pairs, value) => select.replaceChildren(...pairs.map(([v, text]) => new Option(text, v, false, v === value)));
  const named = (names) => names.map((name) => [name, words(name)]);
  const titled = (of) => Object.entries(of).map(([key, { title }]) => [key, title]);
  choose(form.experiment, named(EXPERIMENTS), state.experiment);
  choose(form.metric, titled(METRICS[kind()]), state.metric);
  choose(form.relative, [["", "nothing"], ...named(modelsOf(state.experiment))], state.relative);
  choose(document.querySelector("[name=training]"), named(TRAININGS), state.training);
  choose(document.querySelector("[name=cost]"), titled(COSTS), state.cost);
  form.relative.disabled = !metricNow().relative;
  for (const key of ["x", "y", "theme"]) form[key].value = state[key];
  form.interval.checked = state.interval;
  const focused = document.activeElement?.value;
  fill("models", modelsOf(state.experiment).map((model) => {
    const checked = shownModels().includes(model);
    return element("label", {}, element("input", { type: "checkbox", name: "models", value: model, checked }), swatch(model), words(model));
  }));
  const again = focused && byId("models").querySelector(`[value="${focused}"]`);
  if (again && document.activeElement === document.body) again.focus();
}

// A piece of a model's line.
function swatch(model) {
  const { color, linestyle } = lookOf(model), drawn = element("span");
  const line = `<path d="M0 6h30" stroke="${shade(color)}" stroke-width="3" stroke-dasharray="${DASHES[linestyle]}"/>`;
  drawn.innerHTML = `<svg viewBox="0 0 30 12" aria-hidden="true">${line}</svg>`;
  return drawn;
}

function listen() {
  document.addEventListener("change", ({ target }) => {
    const value = target.type === "checkbox" ? target.checked : target.value;
    if (target.name === "models") {
      change({ models: [...document.querySelectorAll("[name=models]:checked")].map((box) => box.value) });
    } else if (target.name === "experiment" && TRAININGS.includes(value)) {
      change({ experiment: value, training: value });
    } else if (target.name) {
      change({ [target.name]: value });
    }
  });
  document.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => location.hash.includes("=") && restore());
  addEventListener("beforeprint", () => document.querySelectorAll("section details").forEach((d) => (d.open = true)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

// Links to the sections; they move, and leave the view in the address alone.
function linkSections() {
  const there = [...document.querySelectorAll("section")].filter((s) => s.id !== "compare" || DATA.tables.compare);
  document.querySelector("nav").append(...there.map((section) => {
    const go = (event) => {
      event.preventDefault();
      section.scrollIntoView();
      section.tabIndex = -1;
      section.focus({ preventScroll: true });
    };
    return element("a", { href: `#${section.id}`, onclick: go }, section.querySelector("h2").textContent);
  }));
}
