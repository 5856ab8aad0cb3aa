"use strict";
// Vega-Lite specifications: each function takes rows and options and returns a chart.

const SHAPES = { o: "circle", 8: "circle", p: "triangle-up", h: "circle", s: "square", D: "diamond", d: "diamond", P: "cross",
  v: "triangle-down", "^": "triangle-up", "<": "triangle-left", ">": "triangle-right" };
const DASHES = { "-": [1, 0], "--": [7, 4], ":": [2, 3], "-.": [7, 3, 2, 3] };

// Metrics by kind of experiment: title, unit, and value, low and high of a row of its table.
// relative: what becomes of a ratio of times; "quotient" divides the values.
const METRICS = {
  timing: {
    seconds: { title: "time of a call", unit: "s", of: (r) => [r.time_median_s, r.time_low_s, r.time_high_s], relative: (r) => [r.ratio, r.low, r.high] },
    calibration: { title: "time in calibration units", unit: "units", of: (r) => [r.time_calibrated_median, r.time_calibrated_low, r.time_calibrated_high], relative: (r) => [r.ratio, r.low, r.high] },
    tokens: { title: "tokens per second", unit: "tokens/s", relative: (r) => [1 / r.ratio, 1 / r.high, 1 / r.low],
      of: (r) => [r.tokens_per_s, r.tokens_per_s * r.time_median_s / r.time_high_s, r.tokens_per_s * r.time_median_s / r.time_low_s] },
    ram: { title: "RAM that a call adds", unit: "B", of: (r) => [r.call_memory_bytes], relative: "quotient" },
    flops: { title: "operations of a call, closed form", unit: "FLOP", of: (r) => [r.flops], relative: "quotient" },
    rate: { title: "operations per second", unit: "FLOP/s", of: (r) => [r.gflops_per_s * 1e9], relative: "quotient" },
  },
  training: {
    solved: { title: "share of runs solved", unit: "%", linear: true, of: (r) => [r.solved_share, r.solved_low, r.solved_high] },
    steps: { title: "steps to solve, median", unit: "steps", of: (r) => [r.steps_to_solve_median, r.steps_to_solve_low, r.steps_to_solve_high] },
    seconds: { title: "seconds of training to solve, median", unit: "s", of: (r) => [r.seconds_to_solve_median_s] },
    loss: { title: "final loss, median", unit: "nats", of: (r) => [r.final_loss_median_nats, r.final_loss_low_nats, r.final_loss_high_nats] },
    accuracy: { title: "final accuracy, median", unit: "%", linear: true, of: (r) => [r.final_accuracy_median, r.final_accuracy_min, r.final_accuracy_max] },
  },
};

const isDark = () => ({ light: false, dark: true })[state.theme] ?? matchMedia("(prefers-color-scheme: dark)").matches;

// On a dark page the shades of the figures are mixed with white.
function shade(color) {
  if (!isDark()) return color;
  return "#" + [1, 3, 5].map((i) => Math.round(parseInt(color.slice(i, i + 2), 16) * 0.55 + 255 * 0.45).toString(16).padStart(2, "0")).join("");
}
const lookOf = (model) => DATA.looks[model] ?? { color: "#666666", marker: "o", linestyle: "-" };

// Colour, shape and dash of each model, with one legend for the three.
function byModel(models, parts = ["color", "shape"]) {
  const ranges = { color: (l) => shade(l.color), shape: (l) => SHAPES[l.marker] ?? "circle", strokeDash: (l) => DASHES[l.linestyle] ?? [1, 0] };
  return Object.fromEntries(parts.map((part) => [part, { field: "model", type: "nominal", legend: null,
    scale: { domain: models, range: models.map((m) => ranges[part](lookOf(m))) } }]));
}

// Ticks of a log axis at 1, 2, 5, 10, ... or, over many decades, at powers of ten.
function logTicks([low, high]) {
  const decades = Array.from({ length: 40 }, (_, i) => 10 ** (i - 20)).filter((d) => d * 10 > low && d <= high);
  const ticks = decades.flatMap((d) => (decades.length < 5 ? [1, 2, 5] : [1]).map((f) => f * d));
  return ticks.filter((t) => t >= low * 0.999 && t <= high * 1.001);
}

// The range of some values with a little room, as the axis shows it.
function rangeOf(values, type) {
  const numbers = values.filter((v) => known(v) && (type !== "log" || v > 0));
  if (!numbers.length) return type === "log" ? [1, 10] : [0, 1];
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  if (type !== "log") return [Math.min(0, low), (high || 1) * 1.05];
  const room = (high / low) ** 0.05 * 1.05;
  return [low / room, high * room];
}

// A vertical or horizontal quantity; its ticks carry the unit.
function quantity(field, title, unit, type, values) {
  const range = rangeOf(values, type);
  const text = unit === "%" ? "format(datum.value, '.0%')" : unit === "×" ? "format(datum.value, ',~r') + '×'"
    : PLAIN.includes(unit) ? "format(datum.value, ',~r')" : `replace(format(datum.value, '~s'), regexp('([^0-9.]*)$'), ' $1${unit}')`;
  return { field, type: "quantitative", title, scale: { type, domain: range, nice: false },
    axis: { labelExpr: text, ...(type === "log" ? { values: logTicks(range) } : { tickCount: 6 }) } };
}

function config() {
  const ink = isDark() ? "#ececee" : "#1c1c1e", grid = isDark() ? "#33363d" : "#e6e6e3";
  return { background: "transparent", font: "system-ui, sans-serif", view: { stroke: null }, rule: { color: ink }, text: { color: ink },
    title: { color: ink, anchor: "start", fontSize: 13 },
    axis: { labelColor: ink, titleColor: ink, gridColor: grid, domainColor: ink, tickColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" } };
}

const lengthAxis = (values, title, type) => ({ field: "x", type: "quantitative", title, scale: { type, domain: rangeOf(values.map((r) => r.x), type), nice: false },
  axis: { values: distinct(values.map((r) => r.x)).sort((a, b) => a - b), labelExpr: "format(datum.value, ',~g')", labelOverlap: true } });

// Names beside the ends of lines, moved apart where they would touch; none where there is no room.
function endLabels(ends, { domain: [low, high], type }, height, color) {
  if (innerWidth < 640) return [];
  const along = type === "log" ? (v) => Math.log(v / low) / Math.log(high / low) : (v) => (v - low) / (high - low);
  let free = -Infinity;
  const placed = ends.map((end) => ({ ...end, at: height * (1 - along(end.value)) })).sort((a, b) => a.at - b.at)
    .map((end) => ({ ...end, at: (free = Math.max(free + 14, end.at)) }));
  const y = { field: "at", type: "quantitative", scale: null };
  return [{ data: { values: placed }, mark: { type: "text", align: "left", dx: 8, fontSize: 12 }, encoding: { x: { value: "width" }, y, text: { field: "name" }, color } }];
}
const padding = (names) => ({ left: 5, top: 5, bottom: 5, right: innerWidth < 640 ? 5 : 16 + 6.4 * Math.max(0, ...names.map((n) => n.length)) });

// A metric against length (or rate): line and mark of each model, its interval, failed cells at the top.
function againstLength(values, { models, title, x, xTitle, type, unit, interval }) {
  const shown = values.filter((r) => known(r.value) && (type !== "log" || r.value > 0)), failed = values.filter((r) => !known(r.value));
  const bars = interval ? shown.filter((r) => known(r.low) && known(r.high)) : [];
  const horizontal = lengthAxis(values, xTitle, x), look = byModel(models), height = 380;
  const vertical = quantity("value", title, unit, type, [...shown.map((r) => r.value), ...bars.flatMap((r) => [r.low, r.high])]);
  const ends = models.map((m) => shown.filter((r) => r.model === m).at(-1)).filter(Boolean);
  const tooltip = [{ field: "name", title: "model" }, { field: "x", title: xTitle, format: "," }, { field: "text", title: "value" }, { field: "n", title: "runs" }, { field: "flags" }];
  return {
    height, padding: padding(models), description: `${title} against ${xTitle} for ${models.map(words).join(", ")}`,
    layer: [
      { data: { values: shown }, mark: { type: "line", strokeWidth: 2 }, encoding: { x: horizontal, y: vertical, ...byModel(models, ["color", "strokeDash"]) } },
      { data: { values: bars }, mark: { type: "rule", strokeWidth: 2, opacity: 0.7, clip: true }, encoding: { x: horizontal, y: { ...vertical, field: "low" }, y2: { field: "high" }, color: look.color } },
      { data: { values: shown }, mark: { type: "point", filled: true, size: 90, opacity: 1, cursor: "pointer" }, encoding: { x: horizontal, y: vertical, ...look, tooltip } },
      { data: { values: failed }, mark: { type: "text", text: "✕", size: 15, cursor: "pointer" }, encoding: { x: horizontal, y: { value: 8 }, color: look.color, tooltip: [...tooltip.slice(0, 2), { field: "why", title: "no value" }] } },
      ...endLabels(ends, vertical.scale, height, look.color),
    ],
  };
}

// What is behind a timing cell: samples of each process, its median, and the cell's interval.
function ofProcesses(samples, processes, [low, high], model) {
  const all = [...samples, ...processes].map((s) => s.value), room = (Math.max(...all) - Math.min(...all)) * 0.03;
  const axis = quantity("value", "time of a call", "s", "linear", all), domain = [Math.min(...all) - room, Math.max(...all) + room];
  const x = (field) => ({ ...axis, field, scale: { domain, nice: false } });
  const y = { field: "process", type: "nominal", title: "process (seed)" }, color = { value: shade(lookOf(model).color) };
  return {
    height: 26 * processes.length + 10, description: "Samples of each process, and its median",
    layer: [
      { data: { values: known(low) ? [{ low, high }] : [] }, mark: { type: "rect", opacity: 0.12 }, encoding: { x: x("low"), x2: { field: "high" }, color } },
      { data: { values: samples }, mark: { type: "tick", thickness: 1.2, opacity: 0.45 }, encoding: { x: x("value"), y, color } },
      { data: { values: processes }, mark: { type: "point", filled: true, size: 80, opacity: 1 }, encoding: { x: x("value"), y, color, tooltip: [{ field: "process" }, { field: "text", title: "median" }] } },
    ],
  };
}

// What is behind a training cell: the step at which each run was solved, hollow at the budget.
function ofRuns(runs, budget, model) {
  const color = { value: shade(lookOf(model).color) }, y = { field: "process", type: "nominal", title: "seed" };
  const x = quantity("value", "steps to solve", "steps", "linear", [budget]);
  const marks = (solved) => ({ data: { values: runs.filter((r) => r.solved === solved) }, mark: { type: "point", filled: solved, size: 90, opacity: 1 },
    encoding: { x, y, color, tooltip: [{ field: "process", title: "seed" }, { field: "text" }] } });
  const limit = { data: { values: [{ value: budget }] }, mark: { type: "rule", strokeDash: [5, 4] }, encoding: { x } };
  return { height: 26 * runs.length + 10, description: "Steps that each run took to be solved", layer: [limit, marks(true), marks(false)] };
}

// Training losses at one length, one line per run.
function trainingCurves({ points, ends, budgets, floors }, models, { type, title, longest, highest }) {
  const horizontal = quantity("x", "training steps", "steps", type, [type === "log" ? 10 : 0, longest]);
  const vertical = { field: "y", type: "quantitative", title: "training loss (nats)", scale: { domain: [0, highest], nice: true } };
  const color = byModel(models).color, run = { field: "run" };
  return {
    height: 260, title, description: `Training loss against steps, ${title}`,
    layer: [
      { data: { values: floors }, mark: { type: "rule", strokeDash: [5, 4], strokeWidth: 1.5 }, encoding: { y: vertical, tooltip: { field: "name" } } },
      { data: { values: budgets }, mark: { type: "rule", strokeWidth: 1.5, opacity: 0.7 }, encoding: { x: horizontal, color, tooltip: [{ field: "text", title: "budget" }] } },
      { data: { values: points }, mark: { type: "line", strokeWidth: 1.2, opacity: 0.6, clip: true }, encoding: { x: horizontal, y: vertical, detail: run, ...byModel(models, ["color", "strokeDash"]), tooltip: [run] } },
      { data: { values: ends }, mark: { type: "point", filled: true, size: 45, opacity: 1 }, encoding: { x: horizontal, y: vertical, ...byModel(models), tooltip: [run, { field: "x", title: "solved at step" }] } },
    ],
  };
}

// Share solved against a cost, lengths of a model joined by a line.
function shareAgainstCost(points, models, { title, unit }, { type, interval }) {
  const horizontal = quantity("cost", title, unit, type, points.map((p) => p.cost)), look = byModel(models);
  const vertical = { ...quantity("share", "runs solved", "%", "linear", []), scale: { domain: [-0.03, 1.03] }, axis: { values: [0, 0.25, 0.5, 0.75, 1], format: ".0%" } };
  const tooltip = [{ field: "name", title: "model" }, { field: "length", title: "tokens" }, { field: "solved" }, { field: "text", title: "cost" }];
  const marks = (bound) => ({ data: { values: points.filter((p) => p.bound === bound) }, mark: { type: "point", filled: !bound, size: 110, opacity: 1 }, encoding: { x: horizontal, y: vertical, ...look, tooltip } });
  const text = (values, field, place) => ({ data: { values }, mark: { type: "text", fontSize: 12, ...place }, encoding: { x: horizontal, y: vertical, text: { field }, color: look.color } });
  return {
    height: 340, description: `Share of runs solved against ${title}`,
    layer: [
      { data: { values: points }, mark: { type: "line", opacity: 0.4 }, encoding: { x: horizontal, y: vertical, order: { field: "length" }, ...byModel(models, ["color", "strokeDash"]) } },
      { data: { values: interval ? points : [] }, mark: { type: "rule", opacity: 0.35 }, encoding: { x: horizontal, y: { ...vertical, field: "low" }, y2: { field: "high" }, color: look.color } },
      marks(true), marks(false), text(points, "length", { dy: -12 }),
    ],
  };
}

// The audit: ratio of times at each step, a line per length, the longest in front.
function auditLadder(values, longest) {
  const x = { field: "step", type: "ordinal", title: null, sort: null, axis: { labelAngle: 0, labelExpr: innerWidth < 640 ? "split(datum.label, '.')[0]" : "split(datum.label, ' ')" } };
  const y = quantity("value", "Transformer's time / LSTM's time", "×", "log", [1, ...values.flatMap((r) => [r.value, r.low, r.high])]);
  const color = { condition: { test: `datum.length === ${longest}`, value: shade("#2166ac") }, value: isDark() ? "#888" : "#999" };
  const front = values.filter((r) => r.length === longest), steps = distinct(values.map((r) => r.step));
  const tooltip = [{ field: "step" }, { field: "length", title: "tokens", format: "," }, { field: "text", title: "ratio" }];
  const ends = values.filter((r) => r.step === steps.at(-1)).map((r) => ({ ...r, name: `${r.length.toLocaleString("en")} tokens` }));
  return {
    height: 340, padding: padding(ends.map((e) => e.name)), description: "Ratio of times at each step of the audit",
    layer: [
      { data: { values: [{ value: 1 }] }, mark: { type: "rule", strokeDash: [5, 4] }, encoding: { y } },
      { data: { values }, mark: { type: "line", point: true }, encoding: { x, y, detail: { field: "length" }, color, tooltip } },
      { data: { values: front.filter((r) => known(r.low)) }, mark: { type: "rule", strokeWidth: 2 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color } },
      { data: { values: front }, mark: { type: "text", dx: 8, dy: -10, align: "left", fontWeight: "bold" }, encoding: { x, y, text: { field: "short" }, color } },
      ...endLabels(ends, y.scale, 340, color),
    ],
  };
}

// Time of the calibration kernel in each cell, against when it was measured.
function noise(values) {
  const ink = isDark() ? "#ececee" : "#1c1c1e", range = [shade("#2166ac"), shade("#b2182b")];
  return {
    height: 240, description: "Time of the calibration kernel in each cell, relative to the median of all",
    data: { values }, mark: { type: "point", filled: true, size: 40, opacity: 0.7 },
    encoding: {
      x: { field: "at", type: "temporal", title: "started (UTC)", scale: { type: "utc" }, axis: { format: "%H:%M" } },
      y: { field: "value", type: "quantitative", title: "calibration kernel against its median", axis: { format: "+.0%" } },
      color: { field: "flagged", type: "nominal", title: null, legend: { orient: "top", labelColor: ink }, scale: { domain: ["no flag", "flagged"], range } },
      tooltip: [{ field: "cell" }, { field: "value", format: "+.1%" }, { field: "flags" }],
    },
  };
}

// Ratios of times of two runs, one row per cell.
function twoRuns(values) {
  const axis = quantity("value", "time of A / time of B, in calibration units", "×", "log", [0.8, 1.25, ...values.flatMap((r) => [r.value, r.low, r.high])]);
  const x = (field) => ({ ...axis, field }), y = { field: "name", type: "nominal", sort: null, title: null, axis: { labelLimit: 260 } };
  return {
    height: 18 * values.length + 10, description: "Ratio of times of two runs",
    layer: [
      { data: { values: [{ value: 1 }] }, mark: { type: "rule", strokeDash: [5, 4] }, encoding: { x: x("value") } },
      { data: { values: values.filter((r) => known(r.low)) }, mark: { type: "rule" }, encoding: { x: x("low"), x2: { field: "high" }, y } },
      { data: { values }, mark: { type: "point", filled: true, size: 60, opacity: 1 }, encoding: { x: x("value"), y, tooltip: [{ field: "name" }, { field: "text" }, { field: "outcome" }] } },
    ],
  };
}
