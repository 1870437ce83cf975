// The page of the admin listener: asks for the overview and the expert load every two seconds and draws them.
"use strict";

const kPollMs = 2000;
const kHistory = 90; // points of the sparkline: three minutes
const $ = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");

const state = { model: null, window: "60s", phase: "both", last: new Map(), history: new Map(), load: null, cursor: null };

// ---- Numbers as text ----

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const whole = (value) => (isNumber(value) ? value.toLocaleString("en-US") : "–");
const fixed = (value, digits) => (isNumber(value) ? value.toFixed(digits) : "–");

function short(value) {
  if (!isNumber(value)) return "–";
  for (const [size, unit] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e4, "k"]]) {
    if (value >= size) return (value / (unit === "k" ? 1e3 : size)).toFixed(value >= size * 100 ? 0 : 1) + " " + unit;
  }
  return whole(value);
}

function bytes(value) {
  for (const [size, unit] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    if (value >= size) return (value / size).toFixed(1) + " " + unit;
  }
  return value + " B";
}

function rate(value) {
  if (!isNumber(value)) return "–";
  return value >= 100 ? whole(Math.round(value)) : value.toFixed(1);
}

function duration(seconds) {
  if (!isNumber(seconds)) return "";
  const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24, minutes = Math.floor(seconds / 60) % 60;
  if (days > 0) return `up ${days} d ${hours} h`;
  if (hours > 0) return `up ${hours} h ${minutes} min`;
  return minutes > 0 ? `up ${minutes} min` : `up ${Math.floor(seconds)} s`;
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function bar(share) {
  const outer = element("span", "bar"), inner = element("i");
  inner.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  outer.append(inner);
  return outer;
}

// ---- Overview ----

function remember(models) {
  const now = performance.now();
  for (const model of models) {
    const before = state.last.get(model.id);
    state.last.set(model.id, { now, prompt: model.prompt_tokens_total, completion: model.completion_tokens_total });
    if (!before) continue;
    const seconds = (now - before.now) / 1000;
    const per = (later, earlier) => (isNumber(later) && isNumber(earlier) && later >= earlier ? (later - earlier) / seconds : null);
    const points = state.history.get(model.id) || [];
    points.push({ prompt: per(model.prompt_tokens_total, before.prompt), completion: per(model.completion_tokens_total, before.completion) });
    state.history.set(model.id, points.slice(-kHistory));
  }
}

function drawSpark(points) {
  const top = Math.max(1, ...points.flatMap((point) => [point.prompt || 0, point.completion || 0]));
  const x = (i) => 600 - ((points.length - 1 - i) * 600) / (kHistory - 1);
  const y = (value) => 86 - ((value || 0) / top) * 80;
  const line = (key) => points.map((point, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(point[key]).toFixed(1)}`).join("");
  const svg = $("spark");
  svg.replaceChildren();
  if (points.length < 2) return;
  const add = (className, d) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("class", className);
    path.setAttribute("d", d);
    svg.append(path);
  };
  add("completion-area", `${line("completion")}L600 90L${x(0).toFixed(1)} 90Z`);
  add("prompt", line("prompt"));
  add("completion", line("completion"));
  $("spark-top").textContent = `highest ${rate(top)}/s`;
}

function showTiles(overview, model) {
  const points = state.history.get(model.id) || [];
  const recent = points[points.length - 1] || {};
  $("rate-completion").textContent = rate(recent.completion);
  $("rate-prompt").textContent = rate(recent.prompt);
  drawSpark(points);
  const requests = overview.requests || {};
  $("running").textContent = whole(model.running);
  $("waiting").textContent = whole(model.waiting);
  $("in-flight").textContent = whole(requests.in_flight);
  $("total").textContent = whole(requests.total);
  const hasKv = isNumber(model.kv_blocks_total) && model.kv_blocks_total > 0;
  const share = hasKv ? model.kv_blocks_used / model.kv_blocks_total : null;
  $("kv-share").textContent = hasKv ? `${Math.round(share * 100)}%` : "–";
  $("kv-text").textContent = hasKv ? `${whole(model.kv_blocks_used)} of ${whole(model.kv_blocks_total)} blocks` : "";
  const meter = $("kv-meter");
  meter.firstElementChild.style.width = `${(share || 0) * 100}%`;
  meter.classList.toggle("high", share > 0.9);
  meter.setAttribute("aria-valuemax", model.kv_blocks_total || 0);
  meter.setAttribute("aria-valuenow", model.kv_blocks_used || 0);
  $("records").textContent = whole((overview.ledger || {}).records);
  $("ledger").textContent = (overview.ledger || {}).state || "–";
}

const kBad = new Set(["engine_error", "interrupted", "deadline"]);
const kGood = new Set(["completed", "length"]);

function showOutcomes(requests) {
  const entries = Object.entries(requests.by_outcome || {}).filter(([, count]) => count > 0);
  entries.sort((a, b) => b[1] - a[1]);
  const largest = Math.max(1, ...entries.map(([, count]) => count));
  $("outcomes").replaceChildren(...entries.map(([name, count]) => {
    const row = element("tr", kBad.has(name) ? "bad" : kGood.has(name) ? "" : "aside");
    const head = element("th", "", name.replaceAll("_", " "));
    head.scope = "row";
    const middle = element("td");
    middle.append(bar(count / largest));
    row.append(head, middle, element("td", "", whole(count)));
    return row;
  }));
  $("outcomes-empty").hidden = entries.length > 0;
}

// What a reader asks first, in this order; a backend without a value leaves its line out.
const kFacts = [
  ["Family", ["family"], String],
  ["Architecture", ["architecture"], String],
  ["Parameters", ["parameters", "total"], short],
  ["Active a token", ["parameters", "active"], short],
  ["Layers", ["shape", "num_layers"], whole],
  ["With a router", ["shape", "num_moe_layers"], whole],
  ["Experts a layer", ["shape", "num_experts"], whole],
  ["Experts a token", ["shape", "experts_per_token"], whole],
  ["Hidden size", ["shape", "hidden_size"], whole],
  ["Expert width", ["shape", "moe_intermediate_size"], whole],
  ["Attention heads", ["shape", "num_attention_heads"], whole],
  ["KV heads", ["shape", "num_kv_heads"], whole],
  ["Vocabulary", ["shape", "vocab_size"], whole],
  ["Context", ["max_context_tokens"], whole],
  ["Router score", ["routing", "score"], String],
  ["Renormalised", ["routing", "renormalise"], (value) => (value ? "yes" : "no")],
  ["Weights", ["weights", "format"], String],
  ["Weights in memory", ["weights", "bytes"], bytes],
];

function lookUp(facts, path) {
  const value = path.reduce((at, key) => (at && typeof at === "object" ? at[key] : undefined), facts);
  return value === undefined && path[0] === "shape" ? facts[path[1]] : value; // some backends have no "shape"
}

function showFacts(model) {
  const facts = model.facts || {};
  $("facts-sub").textContent = model.id;
  $("facts").replaceChildren(...kFacts.flatMap(([label, path, print]) => {
    const value = lookUp(facts, path);
    if (value === undefined || value === null || value === "") return [];
    const pair = element("div");
    const text = print(value);
    pair.append(element("dt", "", label), element("dd", text.length > 14 ? "long" : "", text));
    return [pair];
  }));
}

function showModels(models) {
  const nav = $("models");
  nav.hidden = models.length < 2;
  const ids = models.map((model) => model.id).join("\n");
  if (nav.dataset.ids !== ids) {
    nav.dataset.ids = ids;
    nav.replaceChildren(...models.map((model) => {
      const button = element("button", "", model.id);
      button.type = "button";
      button.addEventListener("click", () => {
        state.model = model.id;
        state.load = null;
        poll();
      });
      return button;
    }));
  }
  for (const button of nav.children) button.setAttribute("aria-pressed", String(button.textContent === state.model));
}

function showState(overview) {
  const ledger = (overview.ledger || {}).state;
  const loading = (overview.models || []).some((model) => model.ready === false);
  let [text, tone] = ["serving", "good"];
  if (loading) [text, tone] = ["loading model", "warn"];
  if (overview.draining) [text, tone] = ["draining", "warn"];
  if (ledger === "holding") [text, tone] = ["holding: disk full", "bad"];
  if (ledger === "failed") [text, tone] = ["ledger failed", "bad"];
  $("state").textContent = text;
  $("state").className = `pill ${tone}`;
  $("version").textContent = overview.version || "";
  $("uptime").textContent = duration(overview.uptime_seconds);
}

// ---- Expert load ----

// [layers][experts] of the chosen phase.
function matrix(load) {
  const phases = load.phases || {};
  const names = state.phase === "both" ? ["prefill", "decode"] : [state.phase];
  const rows = [];
  for (let layer = 0; layer < load.layers; layer++) {
    rows.push(Array.from({ length: load.experts }, (_, expert) =>
      names.reduce((sum, name) => sum + (((phases[name] || [])[layer] || [])[expert] || 0), 0)));
  }
  return rows;
}

function judge(row) {
  const total = row.reduce((sum, count) => sum + count, 0);
  const mean = total / row.length;
  const largest = Math.max(...row);
  const squares = row.reduce((sum, count) => sum + count * count, 0);
  const sorted = [...row].sort((a, b) => a - b);
  const weighted = sorted.reduce((sum, count, i) => sum + (i + 1) * count, 0);
  return {
    total, mean, largest,
    hottest: row.indexOf(largest),
    balance: largest > 0 ? mean / largest : 1,
    jain: squares > 0 ? (total * total) / (row.length * squares) : 1,
    gini: total > 0 ? (2 * weighted) / (row.length * total) - (row.length + 1) / row.length : 0,
  };
}

const mix = (a, b, share) => a.map((value, i) => Math.round(value + (b[i] - value) * share));
const rgb = (colour) => `rgb(${colour.join(" ")})`;

// Below an even share towards blue, above it towards orange: tells apart without red and green.
function ramp() {
  return dark.matches
    ? { idle: [26, 45, 78], even: [66, 74, 88], warm: [226, 122, 34], hot: [255, 216, 150], none: [27, 32, 40], ink: "#e8ebf1" }
    : { idle: [38, 94, 168], even: [236, 238, 242], warm: [232, 124, 38], hot: [134, 42, 6], none: [238, 240, 244], ink: "#16191f" };
}

function colourOf(ratio, top) {
  const colours = ramp();
  if (ratio === null) return colours.none;
  if (ratio <= 1) return mix(colours.idle, colours.even, ratio);
  const share = Math.min(1, (ratio - 1) / (top - 1));
  return share < 0.6 ? mix(colours.even, colours.warm, share / 0.6) : mix(colours.warm, colours.hot, (share - 0.6) / 0.4);
}

function drawLegend(top) {
  const stops = [];
  for (let i = 0; i <= 20; i++) stops.push(`${rgb(colourOf((i / 20) * top, top))} ${i * 5}%`);
  document.querySelector(".ramp").style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  $("legend-top").textContent = `${top}×`;
}

function drawMap(rows, layers) {
  const canvas = $("map");
  const width = canvas.clientWidth, scale = devicePixelRatio || 1;
  if (width === 0) return;
  const labels = 34, cellWidth = (width - labels) / rows[0].length;
  const cellHeight = Math.max(10, Math.min(44, Math.floor(380 / rows.length)));
  const height = cellHeight * rows.length;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.font = "12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const top = rows[0].length >= 32 ? 4 : 2;
  const gap = cellWidth > 8 ? 2 : cellWidth > 4 ? 1 : 0;
  const styles = getComputedStyle(document.documentElement);
  const every = Math.ceil(14 / cellHeight);
  rows.forEach((row, layer) => {
    pen.textAlign = "right";
    pen.fillStyle = styles.getPropertyValue("--muted");
    if (layer % every === 0) pen.fillText(layer, labels - 9, (layer + 0.5) * cellHeight);
    row.forEach((count, expert) => {
      const ratio = layers[layer].total > 0 ? count / layers[layer].mean : null;
      const colour = colourOf(ratio, top);
      pen.fillStyle = rgb(colour);
      pen.fillRect(labels + expert * cellWidth, layer * cellHeight, cellWidth - gap, cellHeight - (cellHeight > 12 ? 2 : 1));
      if (ratio === null || cellWidth < 40 || cellHeight < 20) return;
      const light = colour[0] * 0.299 + colour[1] * 0.587 + colour[2] * 0.114;
      pen.textAlign = "center";
      pen.fillStyle = light > 140 ? "#16191f" : "#ffffff";
      pen.fillText(ratio.toFixed(2), labels + (expert + 0.5) * cellWidth - gap / 2, (layer + 0.5) * cellHeight - 1);
    });
  });
  if (state.cursor) {
    pen.strokeStyle = ramp().ink;
    pen.lineWidth = 2;
    pen.strokeRect(labels + state.cursor.expert * cellWidth - 1, state.cursor.layer * cellHeight - 1, cellWidth - gap + 2, cellHeight);
  }
  canvas.dataset.labels = labels;
  canvas.dataset.cellHeight = cellHeight;
  drawLegend(top);
}

function showLayers(load, layers) {
  const live = layers.filter((layer) => layer.total > 0);
  const worst = live.length ? layers.indexOf(live.reduce((a, b) => (b.balance < a.balance ? b : a))) : -1;
  $("worst").textContent = worst < 0 ? "–" : `layer ${worst}, expert ${layers[worst].hottest} at ${(1 / layers[worst].balance).toFixed(2)}×`;
  $("balance-mean").textContent = live.length ? fixed(live.reduce((sum, layer) => sum + layer.balance, 0) / live.length, 2) : "–";
  $("balance-min").textContent = live.length ? fixed(layers[worst].balance, 2) : "–";
  $("assignments").textContent = short(layers.reduce((sum, layer) => sum + layer.total, 0));
  const given = (values, i, own) => (state.phase === "both" && Array.isArray(values) && isNumber(values[i]) ? values[i] : own);
  $("layer-rows").replaceChildren(...layers.map((layer, i) => {
    const row = element("tr", i === worst ? "worst" : "");
    const head = element("th", "", String(i));
    head.scope = "row";
    const balance = element("td");
    balance.append(bar(layer.total ? layer.balance : 0), layer.total ? fixed(layer.balance, 2) : "–");
    row.append(head, balance,
      element("td", "", layer.total ? fixed(given(load.jain, i, layer.jain), 2) : "–"),
      element("td", "", layer.total ? fixed(given(load.gini, i, layer.gini), 2) : "–"),
      element("td", "", layer.total ? `${layer.hottest} (${(1 / layer.balance).toFixed(1)}×)` : "–"));
    return row;
  }));
}

function showReadout(rows, layers) {
  const at = state.cursor;
  if (!at || !rows[at.layer] || at.expert >= rows[at.layer].length) {
    $("readout").textContent = "Point at a cell, or focus the map and use the arrow keys.";
    $("readout").classList.add("muted");
    return;
  }
  $("readout").classList.remove("muted");
  const count = rows[at.layer][at.expert], layer = layers[at.layer];
  const share = layer.total ? `, ${((100 * count) / layer.total).toFixed(1)}% of the layer, ${(count / layer.mean).toFixed(2)}× an even share` : "";
  $("readout").textContent = `Layer ${at.layer}, expert ${at.expert}: ${whole(count)} assignments${share}`;
}

function showLoad() {
  const load = state.load;
  const usable = Boolean(load && load.layers > 0 && load.experts > 0);
  $("experts-body").hidden = !usable;
  $("experts-empty").hidden = usable;
  if (!usable) {
    $("experts-empty").textContent = load === null ? "Waiting for the first numbers." : "This model has no experts.";
    return;
  }
  const rows = matrix(load), layers = rows.map(judge);
  const covered = isNumber(load.window_seconds) ? `, last ${Math.round(load.window_seconds)} s` : ", since start";
  $("experts-sub").textContent = `${load.layers} layers × ${load.experts} experts` +
    (load.experts_per_token ? `, ${load.experts_per_token} chosen per token` : "") + covered;
  $("map-last").textContent = `expert ${load.experts - 1}`;
  showLayers(load, layers);
  drawMap(rows, layers);
  showReadout(rows, layers);
}

// ---- Polling ----

async function ask(path) {
  const response = await fetch(path, { credentials: "same-origin", cache: "no-store", headers: { accept: "application/json" } });
  if (response.status === 401 || response.status === 403) throw Object.assign(new Error("no session"), { noSession: true });
  if (response.status === 404) return false;
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.json();
}

function showProblem(problem) {
  const noSession = Boolean(problem && problem.noSession);
  $("login").hidden = !noSession;
  $("banner").hidden = !problem || noSession;
  $("main").classList.toggle("stale", Boolean(problem));
  if (noSession) $("main").hidden = true;
  if (!problem) return;
  $("banner").textContent = `No fresh numbers: ${problem.message}. Trying again.`;
  $("state").textContent = noSession ? "signed out" : "no answer";
  $("state").className = `pill ${noSession ? "" : "bad"}`;
}

let polling = false;
let again = false;

async function poll() {
  if (polling) {
    again = true;
    return;
  }
  polling = true;
  try {
    const overview = await ask("/admin/v1/overview");
    const models = overview.models || [];
    remember(models);
    if (!models.some((model) => model.id === state.model)) state.model = models.length ? models[0].id : null;
    showProblem(null);
    showState(overview);
    showModels(models);
    $("main").hidden = false;
    const model = models.find((candidate) => candidate.id === state.model);
    if (model) {
      showTiles(overview, model);
      showFacts(model);
      showOutcomes(overview.requests || {});
      if (model.ready !== false) state.load = await ask(`/admin/v1/moe/${encodeURIComponent(model.id)}/load?window=${state.window}`);
      showLoad();
    }
  } catch (problem) {
    showProblem(problem instanceof TypeError ? new Error("the server does not answer") : problem);
  }
  polling = false;
  if (again) {
    again = false;
    poll();
  }
}

function moveCursor(layer, expert) {
  const load = state.load;
  if (!load) return;
  const clamp = (value, size) => Math.max(0, Math.min(size - 1, value));
  state.cursor = { layer: clamp(layer, load.layers), expert: clamp(expert, load.experts) };
  showLoad();
}

function listen() {
  for (const name of ["window", "phase"]) {
    $(name).addEventListener("change", (event) => {
      state[name] = event.target.value;
      if (name === "window") poll();
      else showLoad();
    });
  }
  const canvas = $("map");
  canvas.addEventListener("pointermove", (event) => {
    if (!state.load) return;
    const box = canvas.getBoundingClientRect(), labels = Number(canvas.dataset.labels);
    const cell = (box.width - labels) / state.load.experts;
    const expert = Math.floor((event.clientX - box.left - labels) / cell);
    if (expert >= 0) moveCursor(Math.floor((event.clientY - box.top) / Number(canvas.dataset.cellHeight)), expert);
  });
  canvas.addEventListener("pointerleave", () => {
    state.cursor = null;
    showLoad();
  });
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!steps[event.key]) return;
    event.preventDefault();
    const at = state.cursor || { layer: 0, expert: -1 };
    moveCursor(at.layer + steps[event.key][0], at.expert + steps[event.key][1]);
  });
  addEventListener("resize", showLoad);
  dark.addEventListener("change", showLoad);
  document.addEventListener("visibilitychange", () => document.hidden || poll());
}

listen();
poll();
setInterval(() => document.hidden || poll(), kPollMs);
