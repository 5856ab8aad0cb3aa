"use strict";
// Reading the tables of the run, writing their numbers, and building the page's elements.

// A table as an array of objects; a column of one value is kept as that value.
const rowsOf = (table) => Array.from({ length: table?.rows ?? 0 }, (_, i) =>
  Object.fromEntries(Object.entries(table.columns).map(([key, v]) => [key, Array.isArray(v) ? v[i] : v])));

// Rows of a table of the run that `where` accepts; none where the run has no such table.
const cache = {};
const rows = (name, where = () => true) => (cache[name] ??= rowsOf(DATA.tables[name])).filter(where);

const distinct = (values) => [...new Set(values)];
const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
const words = (name) => DATA.names[name] ?? String(name).replaceAll("_", " "); // models are called as in figures

// A number as the run's tables write it: three digits, and a unit with its prefix.
function digits(value) {
  if (!known(value)) return value === Infinity ? "∞" : "–";
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1);
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return value.toPrecision(3);
}
const PLAIN = ["steps", "units", "nats"]; // units without a prefix
function withUnit(value, unit) {
  if (!known(value) || !unit || unit === "×") return digits(value) + (known(value) ? unit : "");
  if (unit === "%") return `${Math.round(100 * value)} %`;
  const scales = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];
  const [scale, prefix] = PLAIN.includes(unit) ? [1, ""] : scales.find(([s]) => Math.abs(value) >= s * 0.9995) ?? [1, ""];
  return `${digits(value / scale)} ${prefix}${unit}`;
}
const bracketed = (value, low, high, unit) =>
  withUnit(value, unit) + (known(low) && low !== high ? ` [${withUnit(low, unit)}, ${withUnit(high, unit)}]` : "");

// An element with properties and children; text children are never read as HTML.
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties))
    key.includes("-") || key === "class" || key === "for" || key === "scope" ? made.setAttribute(key, value) : (made[key] = value);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}
const byId = (id) => document.getElementById(id);
const fill = (id, ...children) => byId(id).replaceChildren(...children.flat().filter((child) => child !== null));

// A text in which each paper that it names leads to where it is.
const PAPERS = new RegExp(`(${Object.keys(DATA.papers).map((name) => name.replaceAll(".", "\\.")).join("|")})`);
const linked = (text) => typeof text !== "string" ? text : text.split(PAPERS)
  .map((part) => DATA.papers[part] ? element("a", { href: DATA.papers[part] }, part) : part);

// A table of {label: text or element} records; columns of numbers are set to the right.
const NUMBER = /^(–|∞|-?[\d.,]+(e[-+]?\d+)?( ?[a-zA-Zµ%×/]{1,4})?( \[.*\])?)$/;
function tableOf(records, caption) {
  if (!records.length) return element("p", { class: "soft" }, "Nothing in this run.");
  const labels = Object.keys(records[0]), texts = (key) => records.map((r) => r[key]).filter((v) => typeof v === "string");
  const look = Object.fromEntries(labels.map((key) => {
    if (texts(key).length && texts(key).every((v) => NUMBER.test(v))) return [key, { class: "number" }];
    return [key, texts(key).some((v) => v.length > 60) ? { class: "long" } : {}];
  }));
  return element("table", {},
    caption ? element("caption", { class: "hidden" }, caption) : null,
    element("thead", {}, element("tr", {}, labels.map((key) => element("th", { scope: "col", ...look[key] }, key)))),
    element("tbody", {}, records.map((r) => element("tr", {}, labels.map((key) => element("td", look[key], linked(r[key] ?? "")))))));
}

// What the page holds of a table of curves or samples: its columns, and a function that makes a row per entry.
function thinned(name) {
  const entry = name.endsWith("_curves") ? ["step", "train_loss_mean"] : ["round", "sample_s"];
  const keys = Object.keys(DATA.lists[name][0] ?? {}).filter((key) => !["x", "y"].includes(key));
  const rowsOfCell = ({ x, y, ...cell }) => x.map((at, i) => ({ ...cell, at, y: y[i] }));
  return [[...keys, ...entry], () => DATA.lists[name].flatMap(rowsOfCell)];
}

// A table as CSV (RFC 4180).
function csv(columns, records) {
  const quoted = (v) => (v === null || v === undefined ? "" : /[",\n]/.test(v) ? `"${String(v).replaceAll('"', '""')}"` : v);
  const lines = [columns, ...records.map(Object.values)];
  return lines.map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
}
