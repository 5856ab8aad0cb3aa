"use strict";
// Vega-Lite specifications: each function takes rows and options and returns a chart.

const SHAPES = { o: "circle", p: "triangle-up", "*": "triangle-up", s: "square", D: "diamond", d: "diamond", P: "cross", X: "cross", "+": "cross",
  x: "cross", v: "triangle-down", 1: "triangle-down", "^": "triangle-up", "<": "triangle-left", ">": "triangle-right" }; // others: circle
const DASHES = { "-": [1, 0], "--": [7, 4], ":": [2, 3], "-.": [7, 3, 2, 3] };

// Metrics by kind of experiment: title, unit, and value, low and high of a row of its table.
// relative: the same against another model, from a row p of the table `relative`, the row and that of the other model.
const METRICS = {
  timing: {
    seconds: { title: "time of a call", unit: "s", relative: (p) => [p.ratio, p.low, p.high],
      of: (r) => [r.time_median_s, r.time_low_s, r.time_high_s] },
    calibration: { title: "time in calibration units", unit: "units", relative: (p) => [p.ratio, p.low, p.high],
      of: (r) => [r.time_calibrated_median, r.time_calibrated_low, r.time_calibrated_high] },
    tokens: { title: "tokens per second", unit: "tokens/s", more: true, relative: (p) => [1 / p.ratio, 1 / p.high, 1 / p.low],
      of: (r) => [r.tokens_per_s, r.tokens_per_s * r.time_median_s / r.time_high_s, r.tokens_per_s * r.time_median_s / r.time_low_s] },
    ram: { title: "RAM that a call adds", unit: "B", of: (r) => [r.call_ram_bytes], relative: (p) => [p.ram_ratio, p.ram_low, p.ram_high] },
    flops: { title: "operations of a call, closed form", unit: "FLOP", of: (r) => [r.flops], relative: (p, r, other) => [r.flops / other.flops] },
    rate: { title: "operations per second", unit: "FLOP/s", more: true, of: (r) => [r.gflops_per_s * 1e9],
      relative: (p, r, other) => [p.ratio, p.high, p.low].map((ratio) => r.flops / other.flops / ratio) },
  },
  training: {
    solved: { title: "share of runs solved", unit: "%", linear: true, more: true, of: (r) => [r.solved_share, r.solved_low, r.solved_high] },
    steps: { title: "steps to solve, median", unit: "steps", of: (r) => [r.steps_to_solve_median, r.steps_to_solve_low, r.steps_to_solve_high] },
    seconds: { title: "seconds of training to solve, median", unit: "s", of: (r) => [r.seconds_to_solve_median_s] },
    loss: { title: "final loss, median", unit: "nats", of: (r) => [r.final_loss_median_nats, r.final_loss_low_nats, r.final_loss_high_nats] },
    accuracy: { title: "final accuracy, median", unit: "%", linear: true, more: true, of: (r) => [r.final_accuracy_median] },
  },
};

const isDark = () => ({ light: false, dark: true })[state.theme] ?? matchMedia("(prefers-color-scheme: dark)").matches;

// On a dark page the shades of the figures are mixed with white.
function shade(color) {
  if (!isDark()) return color;
  const mixed = [1, 3, 5].map((i) => Math.round(parseInt(color.slice(i, i + 2), 16) * 0.55 + 255 * 0.45));
  return `rgb(${mixed})`;
}
const lookOf = (model) => DATA.looks[model] ?? { color: "#666666", marker: "o", linestyle: "-" };

// Colour, shape and dash of each model, with one legend for the three.
function byModel(models, parts = ["color", "shape"]) {
  const ranges = { color: (l) => shade(l.color), shape: (l) => SHAPES[l.marker] ?? "circle", strokeDash: (l) => DASHES[l.linestyle] };
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
    axis: { labelExpr: text, ...(type === "log" ? { values: logTicks(range) } : { tickCount: 6 }), labelSeparation: 8 } };
}

function config() {
  const ink = isDark() ? "#ececee" : "#1c1c1e", grid = isDark() ? "#33363d" : "#e6e6e3";
  return { background: "transparent", font: "system-ui, sans-serif", view: { stroke: null }, rule: { color: ink }, text: { color: ink },
    title: { color: ink, anchor: "start", fontSize: 13 },
    axis: { labelColor: ink, titleColor: ink, gridColor: grid, domainColor: ink, tickColor: ink, labelFontSize: 12, titleFontSize: 12,
      titleFontWeight: "normal" } };
}

const lengthAxis = (values, title, type) => ({
  field: "x", type: "quantitative", title,
  scale: { type, domain: rangeOf(values.map((r) => r.x), type), nice: false },
  axis: { values: distinct(values.map((r) => r.x)).sort((a, b) => a - b), labelExpr: "format(datum.value, ',~g')", labelOverlap: true, labelSeparation: 8 },
});
const layer = (values, mark, encoding) => ({ data: { values }, mark, encoding });
const dot = { type: "point", filled: true, size: 90, opacity: 1 };
const dashed = { type: "rule", strokeDash: [5, 4] };
const narrow = () => innerWidth < 640;

// Names beside the ends of lines, moved apart where they would touch; none where there is no room.
function endLabels(ends, { domain: [low, high], type }, height, color) {
  if (narrow()) return [];
  const along = type === "log" ? (v) => Math.log(v / low) / Math.log(high / low) : (v) => (v - low) / (high - low);
  let free = -Infinity;
  const placed = ends.map((end) => ({ ...end, at: height * (1 - along(end.value)) })).sort((a, b) => a.at - b.at)
    .map((end) => ({ ...end, at: (free = Math.max(free + 14, end.at)) }));
  const y = { field: "at", type: "quantitative", scale: null };
  return [layer(placed, { type: "text", align: "left", dx: 8, fontSize: 12 }, { x: { value: "width" }, y, text: { field: "name" }, color })];
}
const padding = (names) => ({ left: 5, top: 5, bottom: 5, right: narrow() ? 5 : 16 + 6.4 * Math.max(0, ...names.map((n) => n.length)) });

// A metric against length (or rate): line and mark of each model, its interval, failed cells at the top.
function againstLength(values, { models, title, x: xType, xTitle, type, unit, interval }) {
  const shown = values.filter((r) => known(r.value) && (type !== "log" || r.value > 0)), failed = values.filter((r) => !known(r.value));
  const bars = interval ? shown.filter((r) => known(r.low) && known(r.high)) : [], height = 380;
  const x = lengthAxis(values, xTitle, xType), look = byModel(models), color = look.color;
  const y = quantity("value", title, unit, type, [...shown.map((r) => r.value), ...bars.flatMap((r) => [r.low, r.high])]);
  const ends = models.map((m) => shown.filter((r) => r.model === m).at(-1)).filter(Boolean);
  const place = [{ field: "name", title: "model" }, { field: "x", title: xTitle, format: "," }];
  const tooltip = [...place, { field: "text", title: "value" }, { field: "n", title: "runs" }, { field: "flags" }];
  const cross = { type: "text", text: "✕", size: 15, cursor: "pointer" };
  return {
    height, padding: padding(models), description: `${title} against ${xTitle} for ${models.map(words).join(", ")}`,
    layer: [
      layer(shown, { type: "line", strokeWidth: 2 }, { x, y, ...byModel(models, ["color", "strokeDash"]) }),
      layer(bars, { type: "rule", strokeWidth: 2, opacity: 0.7, clip: true }, { x, y: { ...y, field: "low" }, y2: { field: "high" }, color }),
      layer(shown, { ...dot, cursor: "pointer" }, { x, y, ...look, tooltip }),
      layer(failed, cross, { x, y: { value: 8 }, color, tooltip: [...place, { field: "why", title: "no value" }] }),
      ...endLabels(ends, y.scale, height, color),
    ],
  };
}

// What is behind a timing cell: samples of each process, its median, and the cell's interval.
function ofProcesses(samples, processes, [low, high], model) {
  const all = [...samples, ...processes].map((s) => s.value), room = (Math.max(...all) - Math.min(...all)) * 0.03;
  const axis = quantity("value", "time of a call", "s", "linear", all), domain = [Math.min(...all) - room, Math.max(...all) + room];
  const x = (field) => ({ ...axis, field, scale: { domain, nice: false } });
  const y = { field: "process", type: "nominal", title: "process (seed)" }, color = { value: shade(lookOf(model).color) };
  const tooltip = [{ field: "process" }, { field: "text", title: "median" }];
  return {
    height: 26 * processes.length + 10, description: "Samples of each process, and its median",
    layer: [
      layer(known(low) ? [{ low, high }] : [], { type: "rect", opacity: 0.12 }, { x: x("low"), x2: { field: "high" }, color }),
      layer(samples, { type: "tick", thickness: 1.2, opacity: 0.45 }, { x: x("value"), y, color }),
      layer(processes, dot, { x: x("value"), y, color, tooltip }),
    ],
  };
}

// What is behind a training cell: the step at which each run was solved, hollow at the budget.
function ofRuns(runs, budget, model) {
  const color = { value: shade(lookOf(model).color) }, y = { field: "process", type: "nominal", title: "seed" };
  const x = quantity("value", "steps to solve", "steps", "linear", [budget]), tooltip = [{ field: "process", title: "seed" }, { field: "text" }];
  const marks = (solved) => layer(runs.filter((r) => r.solved === solved), { ...dot, filled: solved }, { x, y, color, tooltip });
  const description = "Steps that each run took to be solved";
  return { height: 26 * runs.length + 10, description, layer: [layer([{ value: budget }], dashed, { x }), marks(true), marks(false)] };
}

// Training losses at one length, one line per run.
function trainingCurves({ points, ends, budgets, floors }, models, { type, title, longest, highest }) {
  const x = quantity("x", "training steps", "steps", type, [type === "log" ? 10 : 0, longest]), run = { field: "run" };
  const y = { field: "y", type: "quantitative", title: "training loss (nats)", scale: { domain: [0, highest], nice: true } };
  const lines = { x, y, detail: run, ...byModel(models, ["color", "strokeDash"]), tooltip: [run] };
  return {
    height: 260, title, description: `Training loss against steps, ${title}`,
    layer: [
      layer(floors, { ...dashed, strokeWidth: 1.5 }, { y, tooltip: { field: "name" } }),
      layer(budgets, { type: "rule", opacity: 0.7 }, { x, color: byModel(models).color, tooltip: [{ field: "text", title: "budget" }] }),
      layer(points, { type: "line", strokeWidth: 1.2, opacity: 0.6, clip: true }, lines),
      layer(ends, { ...dot, size: 45 }, { x, y, ...byModel(models), tooltip: [run, { field: "x", title: "solved at step" }] }),
    ],
  };
}

// Share solved against a cost, lengths of a model joined by a line.
function shareAgainstCost(points, models, { title, unit }, { type, interval }) {
  const x = quantity("cost", title, unit, type, points.map((p) => p.cost)), look = byModel(models), color = look.color;
  const y = { field: "share", type: "quantitative", title: "runs solved", scale: { domain: [-0.03, 1.03] },
    axis: { values: [0, 0.25, 0.5, 0.75, 1], format: ".0%" } };
  const tooltip = [{ field: "name", title: "model" }, { field: "length", title: "tokens" }, { field: "solved" }, { field: "text", title: "cost" }];
  const marks = (bound) => layer(points.filter((p) => p.bound === bound), { ...dot, filled: !bound, size: 110 }, { x, y, ...look, tooltip });
  const joined = { x, y, order: { field: "length" }, ...byModel(models, ["color", "strokeDash"]) };
  return {
    height: 340, description: `Share of runs solved against ${title}`,
    layer: [
      layer(points, { type: "line", opacity: 0.4 }, joined),
      layer(interval ? points : [], { type: "rule", opacity: 0.35 }, { x, y: { ...y, field: "low" }, y2: { field: "high" }, color }),
      marks(true), marks(false),
      layer(points, { type: "text", fontSize: 12, dy: -12 }, { x, y, text: { field: "length" }, color }),
    ],
  };
}

// The audit: ratio of times at each step, the longest length in front; a line joins the steps that build
// on one another.
function auditSteps(values, longest) {
  const labelExpr = narrow() ? "split(datum.label, '.')[0]" : "split(datum.label, ' ')";
  const x = { field: "step", type: "ordinal", title: null, sort: null, axis: { labelAngle: 0, labelExpr } };
  const y = quantity("value", "Transformer's time / LSTM's time", "×", "log", [1, ...values.flatMap((r) => [r.value, r.low, r.high])]);
  const color = { condition: { test: `datum.length === ${longest}`, value: shade("#2166ac") }, value: isDark() ? "#888" : "#999" };
  const front = values.filter((r) => r.length === longest), line = values.filter((r) => r.onLine);
  const last = line.at(-1)?.step;
  const tooltip = [{ field: "step" }, { field: "length", title: "tokens", format: "," }, { field: "text", title: "ratio" }];
  const ends = line.filter((r) => r.step === last).map((r) => ({ ...r, name: `${r.length.toLocaleString("en")} tokens` }));
  const bars = front.filter((r) => known(r.low));
  return {
    height: 340, padding: padding(ends.map((e) => e.name)), description: "Ratio of times at each step of the audit",
    layer: [
      layer([{ value: 1 }], dashed, { y }),
      layer(line, { type: "line" }, { x, y, detail: { field: "length" }, color }),
      layer(values, { type: "point", filled: true }, { x, y, color, tooltip }),
      layer(bars, { type: "rule", strokeWidth: 2 }, { x, y: { ...y, field: "low" }, y2: { field: "high" }, color }),
      layer(front, { type: "text", dx: 8, dy: -10, align: "left", fontWeight: "bold" }, { x, y, text: { field: "short" }, color }),
      ...endLabels(ends, y.scale, 340, color),
    ],
  };
}

// Time of the calibration kernel in each cell, against when it was measured.
function noise(values) {
  const range = [shade("#2166ac"), shade("#b2182b")], legend = { orient: "top", labelColor: isDark() ? "#ececee" : "#1c1c1e" };
  return {
    height: 240, description: "Time of the calibration kernel in each cell, relative to the median of all",
    ...layer(values, { type: "point", filled: true, size: 40, opacity: 0.7 }, {
      x: { field: "at", type: "temporal", title: "started (UTC)", scale: { type: "utc" }, axis: { format: "%H:%M" } },
      y: { field: "value", type: "quantitative", title: "calibration kernel against its median", axis: { format: "+.0%" } },
      color: { field: "flagged", type: "nominal", title: null, legend, scale: { domain: ["no flag", "flagged"], range } },
      tooltip: [{ field: "cell" }, { field: "value", format: "+.1%" }, { field: "flags" }],
    }),
  };
}

// Ratios of times of two runs, one row per cell.
function twoRuns(values) {
  const all = [0.8, 1.25, ...values.flatMap((r) => [r.value, r.low, r.high])];
  const axis = quantity("value", "time of A / time of B, in calibration units", "×", "log", all);
  const x = (field) => ({ ...axis, field }), y = { field: "name", type: "nominal", sort: null, title: null, axis: { labelLimit: 260 } };
  const tooltip = [{ field: "name" }, { field: "text" }, { field: "outcome" }];
  return {
    height: 18 * values.length + 10, description: "Ratio of times of two runs",
    layer: [
      layer([{ value: 1 }], dashed, { x: x("value") }),
      layer(values.filter((r) => known(r.low)), { type: "rule" }, { x: x("low"), x2: { field: "high" }, y }),
      layer(values, { ...dot, size: 60 }, { x: x("value"), y, tooltip }),
    ],
  };
}
