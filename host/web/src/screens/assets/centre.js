// What the centre does by itself: follows which branches have changed, and asks for these.

const body = document.body;
const find = (selector) => document.querySelector(selector);
const RETRY_MS = 3_000;
const STILL_MS = 1_500; // Nothing moves away from under a hand that moves.
const LIST_MS = 4_000;

// ---- branches

let stream;
let movedAt = 0;
let waiting;
/** Branches that changed and are not shown yet; `null` for all of them. */
let changed = new Set();
let isAsking = false;

function setLine(isOn) {
  find("#line").dataset.state = isOn ? "on" : "off";
}

function follow() {
  stream = new EventSource(body.dataset.stream);
  stream.addEventListener("open", () => setLine(true));
  stream.addEventListener("changed", (event) => {
    const told = JSON.parse(event.data);
    if (told.all) changed = null;
    else if (changed) told.branches.forEach((code) => changed.add(code));
    show();
  });
  stream.addEventListener("ended", () => { stream.close(); location.assign("/login"); });
  stream.addEventListener("moved", () => { stream.close(); location.reload(); });
  stream.addEventListener("error", () => {
    setLine(false);
    // A browser tries again by itself unless it was answered with a refusal.
    if (stream.readyState === EventSource.CLOSED) setTimeout(retry, RETRY_MS);
  });
}

async function retry() {
  try {
    const session = await fetch("/api/v1/session");
    if (session.status === 401) return location.assign("/login");
  } catch { /* Still no line. */ }
  stream.close();
  follow();
}

/** Asks for what changed: once at a time, whatever comes meanwhile comes with the next. */
async function show() {
  if (isAsking || waiting || changed?.size === 0) return;
  const place = body.dataset.place;
  const isList = place === "#tiles";
  // The order changes under nobody's hand.
  const rest = STILL_MS - (Date.now() - movedAt);
  if (changed === null && isList && find(place).matches(":hover") && rest > 0) {
    waiting = setTimeout(() => { waiting = undefined; show(); }, rest);
    return;
  }
  const codes = changed && [...changed];
  changed = new Set();
  isAsking = true;
  try {
    if (codes && isList) {
      const wanted = `branches=${codes.map(encodeURIComponent).join(",")}`;
      await htmx.ajax("GET", `${body.dataset.all}&${wanted}`, { target: place, swap: "none" });
    } else {
      await htmx.ajax("GET", body.dataset.all, { target: place, swap: "innerMorph" });
    }
  } catch { /* The line says so. */ }
  isAsking = false;
  show();
}

if (body.dataset.stream) {
  addEventListener("pointermove", () => { movedAt = Date.now(); }, { passive: true });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  addEventListener("pagehide", () => stream?.close());
  follow();
}

// ---- exports that are being made

setInterval(() => {
  const lists = find("#export-lists");
  const isMade = find("#export-lists [data-export=pending]");
  // What somebody is writing stays as it is.
  if (!isMade || lists.contains(document.activeElement)) return;
  htmx.ajax("GET", lists.dataset.refresh, { target: "#export-lists", swap: "innerMorph" });
}, LIST_MS);
