// What an antenna hears: one minute of signal, drawn anew when the host tells, which is four times a second at most.
// Nothing of what comes is ever read as markup.

const SPAN_MS = 60_000; // What the chart shows.
const RATE_MS = 5_000; // Over what a rate is counted.
const RETRY_MS = 2_000;
const WEAKEST = -90, STRONGEST = -20; // dBm
const WIDE = 600, HIGH = 240, LEFT = 34;
const SERIES = 6; // Kinds of lines; the next begin anew.

const place = document.querySelector("#live");
const said = place?.dataset;
const find = (selector) => place.querySelector(selector);

/** Lines by tag and antenna: what they are called, and their points. */
let lines = new Map();
/** Reads by time. */
let heard = [];
let stream;
let isPaused = false;
let note = "";

function listen() {
  stream?.close();
  lines = new Map();
  heard = [];
  const antenna = find("#antenna").value;
  stream = new EventSource(said.reads + (antenna ? `?antenna=${encodeURIComponent(antenna)}` : ""));
  stream.addEventListener("open", () => state(said.on));
  stream.addEventListener("reads", (event) => told(JSON.parse(event.data)));
  stream.addEventListener("missed", (event) => {
    note = said.missed.replace("{n}", Number(JSON.parse(event.data).batches));
    state(note);
  });
  stream.addEventListener("ended", () => { stream.close(); state(said.ended); });
  stream.addEventListener("closed", () => { stream.close(); state(said.closed); setTimeout(again, RETRY_MS); });
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(again, RETRY_MS);
    state(said.off);
  });
}

/** Not while somebody has paused, who wants to read what stands there. */
function again() {
  if (!isPaused) listen();
}

function state(text) {
  const line = find("#live-state");
  if (line.textContent !== text) line.textContent = text;
}

function told({ reads, tags, others }) {
  const at = Date.now();
  heard.push([at, reads]);
  for (const { tag, ends, antenna, reads, rssi_cdbm } of tags) {
    const key = `${tag}/${antenna ?? ""}`;
    if (!lines.has(key)) lines.set(key, { number: lines.size, ends, antenna, best: undefined, points: [] });
    const line = lines.get(key);
    const signal = rssi_cdbm === null ? undefined : rssi_cdbm / 100;
    if (signal !== undefined && !(signal <= line.best)) line.best = signal;
    const late = line.points.filter((point) => at - point.at < 1000).map((point) => point.reads);
    line.points.push({ at, signal, reads, rate: late.reduce((sum, count) => sum + count, reads) });
  }
  forget(at);
  const more = others > 0 ? said.others.replace("{n}", others) : "";
  state(note || more || (lines.size ? said.on : said.silent));
  note = "";
  draw(at);
}

function forget(now) {
  heard = heard.filter(([at]) => now - at < RATE_MS);
  for (const [key, line] of lines) {
    line.points = line.points.filter((point) => now - point.at < SPAN_MS);
    if (!line.points.length) lines.delete(key);
  }
}

function perSecond(counts) {
  return (counts.reduce((sum, count) => sum + count, 0) / (RATE_MS / 1000)).toFixed(1);
}

const drawn = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const x = (at, now) => LEFT + (WIDE - LEFT) * (1 - (now - at) / SPAN_MS);

/** What the height of the chart means: signal, or reads a second where a reader tells no signal. */
function scale() {
  const points = [...lines.values()].flatMap((line) => line.points);
  const hasSignal = !points.length || points.some((point) => point.signal !== undefined);
  const step = Math.max(5, 5 * Math.ceil(Math.max(0, ...points.map((point) => point.rate)) / 20));
  return hasSignal
    ? { hasSignal, from: WEAKEST, to: STRONGEST, first: WEAKEST + 10, step: 20, of: (point) => point.signal }
    : { hasSignal, from: 0, to: 4.4 * step, first: 0, step, of: (point) => point.rate };
}

function draw(now) {
  const shown = [];
  const { hasSignal, from, to, first, step, of } = scale();
  const y = (value) => HIGH * (1 - (Math.min(to, Math.max(from, value)) - from) / (to - from));
  find("#no-signal").hidden = hasSignal;
  for (let value = first; value < to; value += step) {
    shown.push(drawn("line", { class: "grid", x1: LEFT, x2: WIDE, y1: y(value), y2: y(value) }));
    const label = drawn("text", { x: 2, y: Math.min(HIGH - 2, y(value) + 4) });
    label.textContent = String(value);
    shown.push(label);
  }
  for (const line of lines.values()) {
    let path = "", last = 0;
    for (const point of line.points) {
      const value = of(point);
      if (value === undefined) continue;
      // Where nothing was heard for a while there is no line.
      const isNew = point.at - last >= 1500;
      path += `${isNew ? "M" : "L"}${x(point.at, now).toFixed(1)} ${y(value).toFixed(1)}${isNew ? "h0.01" : ""}`;
      last = point.at;
    }
    if (path) shown.push(drawn("path", { class: `series series-${line.number % SERIES}`, d: path, "stroke-linecap": "round" }));
  }
  find("#chart").replaceChildren(...shown);
  find("#rate").textContent = perSecond(heard.map(([, reads]) => reads));
  find("#tags tbody").replaceChildren(...[...lines.values()].map((line) => row(line, now)));
}

function row(line, now) {
  const row = document.createElement("tr");
  const sample = drawn("svg", { class: "sample", viewBox: "0 0 44 12", "aria-hidden": "true" });
  sample.append(drawn("path", { class: `series series-${line.number % SERIES}`, d: "M0 6H44" }));
  const latest = line.points.findLast((point) => point.signal !== undefined)?.signal;
  const late = line.points.filter((point) => now - point.at < RATE_MS).map((point) => point.reads);
  const figures = [latest, line.best].map((signal) => signal?.toFixed(1) ?? said.unknown);
  for (const content of [sample, `…${line.ends}`, String(line.antenna ?? ""), ...figures, perSecond(late)]) {
    const cell = document.createElement("td");
    cell.append(content);
    row.append(cell);
  }
  row.querySelectorAll("td:nth-child(n + 4)").forEach((cell) => cell.classList.add("figure"));
  return row;
}

if (place) {
  find("#antenna").addEventListener("change", () => { pause(false); listen(); });
  find("#pause").addEventListener("click", () => pause(!isPaused));
  addEventListener("pagehide", () => stream?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  listen();
}

function pause(isWanted) {
  if (isPaused === isWanted) return;
  isPaused = isWanted;
  find("#pause").setAttribute("aria-pressed", String(isPaused));
  if (isPaused) stream.close();
  else listen();
}
