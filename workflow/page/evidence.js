"use strict";
// What was judged and on what: verdicts, audit, machine, noise, another run, tables.

const measureOf = (f) => words(f.measure) + (f.options ? ` (${f.options})` : "");
const viewOf = (name) => tableOf(rowsOf(DATA.views[name]));
const lines = (text) => text.replaceAll(" | ", "; ");

// From claim to rule, evidence, rows, shards and the command.
function drawVerdicts() {
  const tone = { supported: "good", refuted: "bad" };
  const claims = rows("verdicts").map((v) => {
    const evidence = rows("findings", (f) => f.statement === v.claim), folder = DATA.shards.split("EXPERIMENT")[0];
    const parts = [
      ["Rule", v.rule],
      ["Depends on", lines(v.depends_on)],
      ["Evidence", element("div", { class: "wide" }, findingsTable(evidence))],
      ["What would decide", lines(v.would_decide)],
      ["Rows", `tables findings and ${distinct(evidence.map((f) => `${f.experiment}_cells`)).join(", ")} (below)`],
      ["Shards", element("code", {}, v.shards.split(", ").map((s) => folder + s).join(" "))],
      ["To reproduce", element("code", {}, v.reproduce)],
    ].filter(([, text]) => text);
    const word = element("span", { class: `verdict ${tone[v.verdict] ?? "open"}` }, v.verdict);
    return element("details", {}, element("summary", {}, `“${v.quote}” `, word),
      element("dl", {}, parts.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)])));
  });
  fill("verdict-rows", claims.length ? claims : element("p", { class: "soft" }, "This run has no verdicts."));
}

const findingsTable = (findings) => tableOf(findings.map((f) => ({
  condition: f.condition, models: f.models.split(" / ").map(words).join(" / "),
  tokens: known(f.seq_len) ? f.seq_len.toLocaleString("en") : f.where || "all",
  measure: measureOf(f), found: f.found, n: digits(f.n),
  accepted: f.outcome === "reported" ? "–" : `${digits(f.accepted_low)} to ${digits(f.accepted_high)}`, outcome: f.outcome,
})));

function drawAudit() {
  const time = rows("audit", (r) => r.part === "time"), placed = time.filter((r) => known(r.value) && known(r.seq_len));
  // Up to the proper step each builds on the one before; later ones change one thing of that one.
  const proper = time.find((r) => r.statement === DATA.proper)?.step ?? Infinity;
  const values = placed.map((r) => ({ onLine: r.step <= proper, step: `${r.step}. ${r.title}`, length: r.seq_len, value: r.value, low: r.low, high: r.high,
    text: r.found, short: `${digits(r.value)}×` }));
  const records = values.map((v) => ({ step: v.step, tokens: digits(v.length), ratio: v.text }));
  if (values.length) show("audit-view", auditSteps(values, Math.max(...values.map((v) => v.length))), records);
  fill("audit-steps", distinct(time.map((r) => r.title)).map((title) => {
    const of = time.filter((r) => r.title === title);
    const ratios = of.map((r) => (known(r.seq_len) ? `${tokens(r.seq_len)}: ${r.found}` : r.found)).join("; ");
    return element("li", {}, element("b", {}, title), `: ${of[0].sentence} `, element("span", { class: "soft" }, ratios));
  }));
  const recall = rows("audit", (r) => r.part === "recall"), measures = distinct(recall.map(measureOf));
  const key = (r) => `${r.step}. ${r.title}|${r.condition}`;
  fill("audit-recall", tableOf(distinct(recall.map(key)).map((one) => {
    const of = recall.filter((r) => key(r) === one), [step, model] = one.split("|");
    const estimates = Object.fromEntries(measures.map((m) => [m, of.find((r) => measureOf(r) === m)?.found ?? "–"]));
    return { step, model, ...estimates, "what changed": of[0].sentence };
  })));
}

function drawMachine() {
  const every = EXPERIMENTS.flatMap((e) => rows(`${e}_cells`)), failed = every.filter((c) => c.status !== "ok").length;
  const of = (key) => distinct(every.map((c) => c[key]).filter((v) => v !== null && v !== undefined)).join(", ") || "not known";
  fill("run", `${every.length.toLocaleString("en")} cells, ${failed || "none"} of them without a result, on ${of("device_name")} with torch `,
    `${of("torch")}.`);
  fill("machine-text", `${of("device_name")}; ${of("cpu_cores")} cores, threads per cell: ${of("threads")}, frequency governor `,
    `${of("governor")}; ${of("kernel")}, Python ${of("python")}, torch ${of("torch")}; large buffers: ${of("malloc")}; commit `,
    `${of("git_commit")}${every.some((c) => c.git_dirty) ? ", with uncommitted changes" : ""}.`);
  fill("machine-rows", viewOf("run"));
}

function drawNoise() {
  const timed = EXPERIMENTS.filter((e) => kind(e) === "timing");
  const cells = timed.flatMap((e) => rows(`${e}_cells`, (c) => known(c.calibration_s)));
  if (!cells.length) return;
  const middle = Object.fromEntries(distinct(cells.map((c) => c.threads)).map((threads) => {
    const sorted = cells.filter((c) => c.threads === threads).map((c) => c.calibration_s).sort((a, b) => a - b);
    return [threads, sorted[sorted.length >> 1]];
  }));
  const values = cells.map((c) => ({ at: c.started_at, value: c.calibration_s / middle[c.threads] - 1, flags: c.flags,
    flagged: c.flags ? "flagged" : "no flag", cell: `${words(c.model)}, ${c.seq_len}, ${c.seed} (${words(c.experiment)})` }));
  const off = values.map((v) => Math.abs(v.value)).sort((a, b) => a - b), at = (share) => digits(100 * off[Math.floor(off.length * share)]);
  fill("noise-text", `The calibration kernel does the same work in every cell. In half of the cells its time was within ${at(0.5)} % of its `,
    `median with as many threads, in nine of ten within ${at(0.9)} %. ${values.filter((v) => v.flags).length} of ${values.length} cells carry a flag. `,
    "Below: the reference timed against itself over all lengths, which ought to give 1.");
  show("noise-view", noise(values));
  const itself = rows("ratios", (r) => r.model === r.relative_to && known(r.ratio) && !known(r.seq_len));
  fill("noise-rows", tableOf(itself.map((r) => ({ experiment: words(r.experiment), model: words(r.model),
    ratio: bracketed(r.ratio, r.ratio_low, r.ratio_high, ""), verdict: r.verdict }))));
}

function drawComparison() {
  const table = rows("compare");
  byId("compare").hidden = !table.length;
  if (!table.length) return;
  const values = table.filter((r) => known(r.value) && r.part === "timing").map((r) => ({ name: `${words(r.model)}, ${r.seq_len}`,
    value: r.value, low: r.low, high: r.high, text: bracketed(r.value, r.low, r.high, "×"), outcome: r.outcome }));
  if (values.length) show("compare-view", twoRuns(values));
  fill("compare-rows", viewOf("compare"));
}

function drawTables() {
  const download = (name, columns, records) => () => {
    const file = new Blob([csv(columns, records())], { type: "text/csv" });
    const link = element("a", { href: URL.createObjectURL(file), download: `${name}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const button = (name, ...content) =>
    element("button", { type: "button", onclick: download(name, ...content), "aria-label": `Download ${name} as CSV` }, "CSV");
  const whole = Object.entries(DATA.tables).map(([name, table]) => ({ table: name, rows: table.rows.toLocaleString("en"),
    columns: String(Object.keys(table.columns).length), "": button(name, Object.keys(table.columns), () => rows(name)) }));
  const long = Object.keys(DATA.lists).map((name) => ({ table: name, rows: "many", columns: "–",
    "": element("span", {}, button(`${name}_thinned`, ...thinned(name)), " thinned; whole in the run's folder: ",
      element("a", { href: `../tables/${name}.parquet` }, "Parquet")) }));
  fill("table-rows", tableOf([...whole, ...long]));
}

// ---- Start: all files are read

linkSections();
listen();
restore();
for (const name of ["answers", "recall_answers"])
  fill(name, rows(name).map((a) => element("li", {}, element("b", {}, `${a.title}. `), a.text)));
for (const name of ["causes", "expectations", "fairness"]) fill(`${name}-rows`, viewOf(name));
drawVerdicts();
drawMachine();
drawTables();
