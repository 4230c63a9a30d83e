// What the screens do by themselves: follow the arrivals, count the minutes, hide what nobody looks at any more.
// Nothing here writes text: it stands in the page, in the language of who looks.

const COVER_AFTER_MS = 120_000; // Personal data leaves an unattended screen.
const NEW_FOR_MS = 120_000; // What is older is never announced as new.
const HOLD_MS = 2_500; // Nobody is swapped away from under a finger.
const LIFT_MS = 50; // Where a screen is touched, the click comes after the finger has gone.
const GATHER_MS = 150; // Changes that come together are shown together.
const RETRY_MS = 3_000;
const SLOW_MS = 300; // Whoever has waited so long is told that something comes.

const body = document.body;
const screen = body.dataset.screen;
const skew = Number(body.dataset.now ?? Date.now()) - Date.now();
const now = () => Date.now() + skew;
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// ---- minutes

function sayMinutes() {
  for (const time of all("time[data-at]")) {
    const minutes = Math.max(0, Math.floor((now() - Number(time.dataset.at)) / 60_000));
    if (minutes >= 60) continue; // The hour that stands there says more.
    const said = minutes === 0 ? body.dataset.agoNow : body.dataset.agoMinutes.replace("{n}", minutes);
    if (time.textContent !== said) time.textContent = said;
  }
}

// ---- what the host says

/** Versions of visits that are known, so that a repeat is none. */
const known = new Map();
/** Visits that came while there was no line. */
const missed = new Set();
/** Who came before this is no news: they are on the page, or came while there was no line. */
let newsSince = Number(body.dataset.now);
let isCutOff = false;
let stream;

function follow() {
  stream = new EventSource("/api/v1/arrivals");
  stream.addEventListener("open", () => {
    const wasCutOff = isCutOff;
    if (wasCutOff) newsSince = now();
    setLine(true);
    // The stream tells of those who are here, and not of those who left meanwhile.
    if (wasCutOff) refresh(find("article[data-visit]")?.dataset.visit);
  });
  stream.addEventListener("visit", (event) => visit(JSON.parse(event.data)));
  stream.addEventListener("alarm", (event) => {
    const alarm = JSON.parse(event.data);
    if (!alarm.acknowledged && now() - Date.parse(alarm.at) < NEW_FOR_MS) announce("alarm");
    refresh(alarm.id);
  });
  stream.addEventListener("ended", over);
  // The session looks at another branch by now, and so does this page.
  stream.addEventListener("moved", () => location.assign("/"));
  stream.addEventListener("missed", again);
  stream.addEventListener("error", () => {
    setLine(false);
    // A browser tries again by itself unless it was answered with a refusal.
    if (stream.readyState === EventSource.CLOSED) setTimeout(retry, RETRY_MS);
  });
}

function again() {
  setLine(false);
  stream.close();
  follow();
}

async function retry() {
  try {
    const session = await fetch("/api/v1/session");
    if (session.status === 401) return over();
  } catch { /* Still no line. */ }
  again();
}

/** Nobody is logged in any more. Where something is written the page stays, and says so. */
function over() {
  stream.close();
  setLine(false);
  // A display lets itself in again, unless it may not.
  if (screen === "display") return location.assign("/display");
  const isWritten = (field) => field.type !== "hidden" && field.value !== field.defaultValue;
  if (!all("input").some(isWritten)) return location.assign("/login");
  htmx.ajax("GET", `/${screen}`, { target: "#found" });
}

function setLine(isOn) {
  isCutOff = !isOn;
  find("#line").dataset.state = isOn ? "on" : "off";
}

function visit(record) {
  const before = known.get(record.id);
  if (before !== undefined && before >= record.version) return;
  if (record.departed_at) known.delete(record.id);
  else known.set(record.id, record.version);
  // Whoever is greeted before the screen has come to them waits for nobody.
  if (record.id === newest && (record.greeted || record.departed_at)) newest = undefined;
  const arrivedAt = Date.parse(record.arrived_at);
  const isArrival = before === undefined && !record.departed_at && record.outcome === "recognised";
  if (isArrival && !record.greeted) {
    const isPast = arrivedAt < newsSince;
    if (!isPast && now() - arrivedAt < NEW_FOR_MS) arrived(record.id);
    else if (isPast && arrivedAt >= Number(body.dataset.now)) missed.add(record.id);
  }
  refresh(record.id);
}

// ---- what is shown

let newest;
let gathering;
const changed = new Set();

function arrived(id) {
  newest = id;
  uncover();
  announce("arrived");
}

/** Shows the first of several changes at once, and the others together. */
function refresh(id) {
  changed.add(id);
  if (gathering) return;
  gathering = setTimeout(() => { gathering = undefined; if (changed.size) showChanged(); }, GATHER_MS);
  showChanged();
}

function showChanged() {
  if (screen === "lobby") showBoard();
  if (screen === "desk") showDesk();
  if (screen === "display") showArrivals();
  changed.clear();
}

let shownAt = 0;
let isHeld = false;

function showBoard() {
  if (isCovered()) return;
  const article = find("article[data-visit]", find("#board"));
  const main = article?.dataset.visit;
  const holds = isHeld || (main && main !== newest && Date.now() - shownAt < HOLD_MS);
  const wanted = newest && !holds ? newest : main;
  if (wanted === newest) newest = undefined;
  else if (newest) setTimeout(showBoard, HOLD_MS);
  if (wanted !== main) {
    shownAt = Date.now();
    fetchPhoto(wanted);
  }
  // Whom somebody chose stays; whoever only waited makes room once somebody has greeted them.
  const isChosen = wanted === main && !article?.classList.contains("state-waiting");
  const query = wanted ? `?${isChosen ? "main" : "keep"}=${encodeURIComponent(wanted)}` : "";
  show("#board", `/lobby/board${query}`);
}

/** Kept here, the browser takes it from memory when it is shown. */
let photo;

/** Asks for the photo of whoever is to be shown beside the answer that shows it, and not behind that. */
function fetchPhoto(visit) {
  photo = new Image();
  photo.src = `/photos/${encodeURIComponent(visit)}/large`;
}

function showArrivals() {
  show("#board", "/display/board");
}

/** Who came long enough ago leaves a display, line or no line. */
function leave() {
  const old = all("[data-since]").filter((one) => now() - Number(one.dataset.since) >= COVER_AFTER_MS);
  for (const arrival of old) arrival.remove();
  // There may be others for their places.
  if (old.length && find("#board .more")) showArrivals();
  const clock = find("#clock");
  const said = new Date(now()).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: body.dataset.zone || undefined });
  if (clock.textContent !== said) clock.textContent = said;
}

/** Who is to become current, until the answer that shows them is there: what is asked for meanwhile could take the
    place of that. */
let coming;

function showDesk() {
  for (const place of ["#alarms", "#recent", "#filters"]) find(place)?.dispatchEvent(new CustomEvent("news"));
  const current = find("#current article");
  const isFree = !current || current.classList.contains("state-left");
  // What somebody is writing stays as it is.
  const isWriting = find("#current")?.contains(document.activeElement)
    && document.activeElement.matches("input, select, textarea");
  if (isWriting) return;
  if (!isFree) coming = undefined;
  else if (newest) {
    coming = newest;
    fetchPhoto(coming);
  }
  newest = undefined;
  const wanted = coming ?? current?.dataset.visit;
  if (wanted && (wanted === coming || changed.has(wanted))) showCurrent(wanted);
}

function showCurrent(id) {
  show("#current", `/desk/current/${encodeURIComponent(id)}`, id);
}

const shownIn = (place) => find("article[data-visit]", find(place))?.dataset.visit;

/** Brings a place up to date, unless somebody else is chosen to be there before the answer comes. */
function show(place, path, visit) {
  const shown = shownIn(place);
  const isLate = () => shownIn(place) !== shown;
  htmx.ajax("GET", path, { source: place, target: place, swap: "innerMorph", isLate, visit });
}

/** Whether a link or a button is pressed: whatever came into its place would take the click from it. */
let isPressed = false;
/** Answers that came meanwhile. */
const heldBack = [];
let lifting;

function release() {
  isPressed = false;
  for (const ctx of heldBack.splice(0)) htmx.swap(ctx);
}

document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  // Nothing of anybody stands below the cover; whoever lifts it asks anew.
  if (isCovered()) return event.preventDefault();
  if (isPressed) {
    event.preventDefault();
    heldBack.push(ctx);
    return;
  }
  if (!ctx.isLate?.()) return;
  event.preventDefault();
  // The change may be one of who is there by now.
  if (screen === "lobby") showBoard();
});

/** What somebody asked for and waits for, and where it will be. */
const slow = new Map();

function sayLoading() {
  const places = new Set(slow.values());
  for (const place of all("[aria-busy]")) if (!places.has(place)) place.removeAttribute("aria-busy");
  for (const place of places) place.setAttribute("aria-busy", "true");
  const bar = find("#loading");
  if (bar) bar.textContent = slow.size ? bar.dataset.said : "";
}

function announce(what) {
  const place = find("#announce");
  // Said again though it is the same: an empty text comes between.
  place.textContent = "";
  setTimeout(() => { place.textContent = place.dataset[what]; }, 50);
  navigator.vibrate?.(what === "alarm" ? [400, 100, 400] : [200, 80, 200]);
  chime(what === "alarm" ? 440 : 660);
}

function markMissed() {
  for (const place of all("#board [data-visit]")) {
    const mark = find(".missed", place);
    if (mark) mark.hidden = !missed.has(place.dataset.visit);
  }
}

// ---- sound, once somebody has asked for it

let audio;

function chime(hertz) {
  if (!audio) return;
  const tone = audio.createOscillator();
  const loud = audio.createGain();
  tone.frequency.value = hertz;
  loud.gain.setValueAtTime(0.2, audio.currentTime);
  loud.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.6);
  tone.connect(loud).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.6);
}

const sound = find("#sound");
if (sound && window.AudioContext) {
  sound.hidden = false;
  sound.addEventListener("click", () => {
    audio = audio ? (audio.close(), undefined) : new AudioContext();
    sound.setAttribute("aria-pressed", String(Boolean(audio)));
    chime(660);
  });
}

// ---- nobody looks any more

const cover = find("#cover");
let coverTimer;
const isCovered = () => cover && !cover.hidden;

function stayOpen() {
  clearTimeout(coverTimer);
  coverTimer = setTimeout(hide, COVER_AFTER_MS);
}

function hide() {
  if (screen !== "lobby") return;
  photo = undefined;
  find("#board").replaceChildren();
  find("#found")?.replaceChildren();
  find(".find form")?.reset();
  cover.hidden = false;
}

function uncover() {
  stayOpen();
  if (isCovered()) cover.hidden = true;
}

cover?.addEventListener("click", () => { uncover(); showBoard(); });

// ---- keys, a table that is walked through, and small things

const keys = find("#keys");
if (keys) {
  keys.checked = localStorage.getItem("keys") !== "off";
  keys.addEventListener("change", () => localStorage.setItem("keys", keys.checked ? "on" : "off"));
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches?.("input, select, textarea");
  if (event.key === "Escape" && isTyping) return event.target.blur();
  const row = event.target.closest?.("tr[data-visit]");
  if (event.key === "Enter" && row && !event.target.matches("a")) return choose(row);
  if (event.target.closest?.("#day") && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    return walk(row, event.key === "ArrowDown" ? 1 : -1);
  }
  if (isTyping || keys?.checked === false) return;
  if (event.key === "/") {
    event.preventDefault();
    return find("#find")?.focus();
  }
  const button = find(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!button || event.repeat) return;
  event.preventDefault();
  if (button.matches("select")) button.focus();
  else button.click();
});

function walk(row, step) {
  const rows = all("#day tr[data-visit]");
  rows[row ? rows.indexOf(row) + step : 0]?.focus();
}

function choose(row) {
  find("a", row)?.dispatchEvent(new CustomEvent("choose"));
}

addEventListener("dblclick", (event) => {
  const row = event.target.closest?.("tr[data-visit]");
  if (row) choose(row);
});

addEventListener("click", (event) => {
  if (event.target.matches?.("[data-dismiss]")) find("#notice").replaceChildren();
});

addEventListener("pointerdown", (event) => {
  isHeld = true;
  // What opens when it is pressed, as a list does, may never say that it is let go of.
  if (event.button !== 0 || !event.target.closest?.("a, button")) return;
  clearTimeout(lifting);
  isPressed = true;
});
for (const kind of ["pointerup", "pointercancel", "blur"]) {
  addEventListener(kind, () => {
    isHeld = false;
    clearTimeout(lifting);
    lifting = setTimeout(release, LIFT_MS);
  });
}
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, stayOpen);

document.addEventListener("htmx:after:swap", () => {
  sayMinutes();
  markMissed();
  // A table that is refreshed keeps the rows that somebody has scrolled to.
  const rows = find("#filters [name=rows]");
  if (rows) rows.value = all("#day tr[data-visit]").length;
});
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  // A screen that refreshes itself is nobody who waits, or who has read what was said.
  if (!["click", "submit", "choose", "change"].includes(ctx.sourceEvent?.type)) return;
  find("#notice")?.replaceChildren();
  const place = ctx.target;
  // Somebody was chosen.
  if (place?.id === "current") coming = undefined;
  // What was done was done to whoever was there, and replaces nobody who is there by then. What could not be done is
  // said elsewhere, and always.
  if (ctx.sourceEvent.type === "submit" && place?.id === "current") {
    const shown = shownIn("#current");
    ctx.isLate = () => ctx.target === place && shownIn("#current") !== shown;
  }
  ctx.slow = setTimeout(() => { slow.set(ctx, place); sayLoading(); }, SLOW_MS);
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  clearTimeout(ctx.slow);
  if (ctx.visit && ctx.visit === coming) coming = undefined;
  if (slow.delete(ctx)) sayLoading();
});
// No answer at all: the line is cut, and what was typed is still there.
document.addEventListener("htmx:error", () => {
  if (stream?.readyState !== EventSource.OPEN) setLine(false);
});

if (screen === "desk" || screen === "lobby" || screen === "display") {
  sayMinutes();
  setInterval(sayMinutes, 10_000);
  if (screen === "display") setInterval(leave, 1_000);
  stayOpen();
  follow();
  // A page that comes back out of the browser's memory shows what was, not what is.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  addEventListener("pagehide", () => stream?.close());
}
