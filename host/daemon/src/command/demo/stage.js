// The stage of the demo: says where customers are, and asks what is played.

const places = { door: "门口 · Door", hall: "大厅 · Hall", wanders: "走动 · Wanders", desk: "柜台 · Desk", elsewhere: "东门支行 · Dongmen", outside: "离开 · Leaves" };
const spots = { pad: "只放读卡板 · On the pad alone", desk: "放好 · On pad and before antenna", torn: "写到一半拿开 · Torn away while written", two: "两张卡 · Two cards", slow: "读卡板很慢 · Slow pad", mute: "读卡板不应答 · Mute pad", away: "拿开 · Take away" };
const find = (id) => document.getElementById(id);

function element(name, properties = {}, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

async function send(path, body) {
  await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  await show();
}

function rowOf(customer) {
  const buttons = Object.entries(places).map(([place, said]) => {
    const button = element("button", { type: "button", textContent: said });
    button.dataset.customer = customer.number;
    button.dataset.place = place;
    button.setAttribute("aria-pressed", String(customer.place === place && place !== "outside"));
    button.addEventListener("click", () => send("/move", { number: customer.number, place }));
    return element("td", {}, [button]);
  });
  return element("tr", {}, [element("td", { textContent: `${customer.name} ${customer.number}` }), ...buttons]);
}

function blankOf({ number, spot }) {
  const buttons = Object.entries(spots).map(([place, said]) => {
    const button = element("button", { type: "button", textContent: said });
    button.setAttribute("aria-pressed", String(place === spot && place !== "away"));
    button.addEventListener("click", () => send("/blank", { spot: place }));
    return button;
  });
  const another = element("button", { type: "button", textContent: "换一张新卡 · Another blank card" });
  another.addEventListener("click", () => send("/blank", { spot: "away", another: true }));
  return [`空白卡 Blank card ${number}: `, ...buttons, another];
}

async function show() {
  const state = await (await fetch("/state")).json();
  find("screens").href = find("screens").textContent = state.screens;
  find("password").textContent = state.password;
  find("customers").replaceChildren(...state.customers.map(rowOf));
  find("script").setAttribute("aria-pressed", String(state.is_script));
  find("blank").replaceChildren(...blankOf(state.blank));
  find("line").setAttribute("aria-pressed", String(!state.line));
  find("bench-line").setAttribute("aria-pressed", String(!state.bench_line));
  find("pad-line").setAttribute("aria-pressed", String(!state.pad_line));
  find("people").replaceChildren(...state.people.map(({ number, name, role, code }) =>
    element("tr", {}, [number, name, role.replaceAll("_", " ")].map((text) => element("td", { textContent: text }))
      .concat(element("td", {}, [element("code", { textContent: code ?? "" })])))));
}

find("script").addEventListener("click", () => send("/script", {}));
find("line").addEventListener("click", () => send("/line", { up: find("line").getAttribute("aria-pressed") === "true" }));
find("bench-line").addEventListener("click", () => send("/line", { of: "bench", up: find("bench-line").getAttribute("aria-pressed") === "true" }));
find("pad-line").addEventListener("click", () => send("/line", { of: "pad", up: find("pad-line").getAttribute("aria-pressed") === "true" }));
setInterval(show, 5_000);
show();
