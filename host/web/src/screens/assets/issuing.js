// The issuing desk: follows that there is news, takes photos, prints. Nothing here writes text.

const find = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];

// ---- news

let stream;

function follow() {
  stream = new EventSource("/issuing/news");
  let wasOff = find("#line").dataset.state === "off";
  stream.addEventListener("open", () => {
    find("#line").dataset.state = "on";
    if (wasOff) tell();
    wasOff = false;
  });
  stream.addEventListener("news", tell);
  stream.addEventListener("ended", over);
  stream.addEventListener("error", () => {
    find("#line").dataset.state = "off";
    wasOff = true;
    if (stream.readyState === EventSource.CLOSED) setTimeout(retry, 3_000);
  });
}

async function retry() {
  try {
    const session = await fetch("/api/v1/session");
    if (session.status === 401) return over();
  } catch { /* Still no line. */ }
  stream.close();
  follow();
}

/** Lists are read again; whatever somebody writes in stays as it is. */
function tell() {
  for (const place of all("[data-news]")) {
    const isWriting = place.contains(document.activeElement)
      && document.activeElement.matches("input, select, textarea, details *");
    if (!isWriting) place.dispatchEvent(new CustomEvent("news"));
  }
}

/** Nobody is logged in any more. A page on which something is written stays, and says so when it is sent. */
function over() {
  stream.close();
  find("#line").dataset.state = "off";
  if (!all("main form").some((form) => form.matches(":has(textarea, input:not([type=hidden]))"))) location.assign("/login");
}

/** Whoever has logged in again in another window goes on here: forms bear the proof of the session that there is. */
async function renew() {
  if (document.visibilityState !== "visible") return;
  try {
    const answer = await fetch("/api/v1/session");
    if (!answer.ok) return;
    const { proof } = await answer.json();
    for (const field of all("input[name=proof]")) field.value = proof;
    if (stream.readyState === EventSource.CLOSED) follow();
  } catch { /* No line. */ }
}

// ---- what changed is where somebody reads on

document.addEventListener("htmx:after:swap", () => {
  const place = find("[data-focus]");
  if (place && !place.dataset.seen) {
    place.dataset.seen = "yes";
    place.focus();
  }
});

// ---- what was asked for in full does not stay

const FULL_FOR_MS = 120_000;

function maskLater() {
  const full = all("[data-masked]:not([data-timed])");
  for (const place of full) place.dataset.timed = "yes";
  if (full.length) setTimeout(() => full.forEach((place) => { place.textContent = place.dataset.masked; }), FULL_FOR_MS);
}

document.addEventListener("htmx:after:swap", maskLater);
maskLater();

// ---- an ID number is checked while somebody types it

const TYPING_MS = 250;
let typing;

async function check(field) {
  const sent = new URLSearchParams({ proof: field.form.elements.proof.value, id_number: field.value });
  try {
    const answer = await fetch(field.dataset.check, { method: "POST", body: sent, headers: { "HX-Request": "true" } });
    // What came meanwhile counts; the host writes the answer, and nothing that was typed is in it.
    if (answer.ok && field.value === sent.get("id_number")) find(`#${field.id}-fault`).innerHTML = await answer.text();
  } catch { /* No line: it is checked when the form is sent. */ }
}

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-check]")) return;
  clearTimeout(typing);
  typing = setTimeout(() => check(event.target), TYPING_MS);
});

// ---- photos

const SIDE = 1600; // Pixels of the longer side of what a camera takes; the host makes it smaller.

function drawn(canvas, picture, width, height) {
  const scale = Math.min(1, SIDE / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
}

async function preview(file) {
  find("#preview").hidden = true;
  if (!file) return;
  try {
    const picture = await createImageBitmap(file);
    drawn(find("#preview-picture"), picture, picture.width, picture.height);
    picture.close();
    find("#preview").hidden = false;
  } catch { /* No picture: the host says so. */ }
}

let camera;

function dark() {
  camera?.getTracks().forEach((track) => track.stop());
  camera = undefined;
}

async function begin() {
  find("#camera-fault").textContent = "";
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } }, audio: false });
  } catch {
    find("#camera-fault").textContent = find("#camera").dataset.denied;
    return;
  }
  const live = find("#camera-live");
  live.srcObject = camera;
  live.hidden = find("#camera-take").hidden = false;
  await live.play();
}

function take() {
  const live = find("#camera-live");
  const canvas = document.createElement("canvas");
  drawn(canvas, live, live.videoWidth, live.videoHeight);
  canvas.toBlob((blob) => {
    const files = new DataTransfer();
    files.items.add(new File([blob], "camera.jpg", { type: "image/jpeg" }));
    const field = find("#photo-file");
    field.files = files.files;
    preview(field.files[0]);
    live.hidden = find("#camera-take").hidden = true;
    dark();
  }, "image/jpeg", 0.92);
}

document.addEventListener("change", (event) => {
  if (event.target.id === "photo-file") preview(event.target.files[0]);
});
document.addEventListener("click", (event) => {
  if (event.target.id === "camera-start") begin();
  if (event.target.id === "camera-take") take();
  if (event.target.closest("[data-print]")) print();
});

function offer() {
  const place = find("#camera");
  if (place && navigator.mediaDevices?.getUserMedia) place.hidden = false;
  for (const button of all("[data-print]")) button.hidden = false;
}

document.addEventListener("htmx:after:swap", offer);
document.addEventListener("visibilitychange", renew);
addEventListener("focus", renew);
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
addEventListener("pagehide", () => { stream?.close(); dark(); });
offer();
follow();
