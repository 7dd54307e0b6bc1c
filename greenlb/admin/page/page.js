// Keeps the page live, and gives it keys.  All figures and words come from the server; without this the page
// is whole, and is loaded again from time to time.
"use strict";

(() => {
  const base = document.body.dataset.base;
  const $ = (id) => document.getElementById(id);
  const farm = $("farm");
  const token = farm.elements.token;
  const charts = ["rate", "scur", "errors", "rtime"];
  const shown = 60;

  // -- charts -----------------------------------------------------------------------------------

  const kept = new WeakMap(); // chart -> its numbers

  function numbers(chart) {
    let values = kept.get(chart);
    if (!values) {
      const top = Number(chart.dataset.top);
      const heights = chart.firstElementChild.getAttribute("points").split(" ").map((point) => 19 - point.split(",")[1]);
      values = heights.length === shown ? heights.map((height) => height / 18 * top) : new Array(shown).fill(0);
      kept.set(chart, values);
    }
    return values;
  }

  function draw(chart, value) {
    const values = numbers(chart);
    values.push(value);
    while (values.length > shown) values.shift();
    const top = Math.max(...values) || 1;
    const start = (shown - values.length) * 2;
    const points = values.map((v, n) => `${start + n * 2},${(19 - (v / top) * 18).toFixed(1)}`);
    chart.firstElementChild.setAttribute("points", points.join(" "));
    chart.classList.toggle("flat", !values.some(Boolean));
  }

  // -- live -------------------------------------------------------------------------------------

  const pulse = $("pulse");

  function beat(how, text) {
    if (pulse.textContent === text) return;
    pulse.className = `pulse ${how}`;
    pulse.textContent = text;
  }

  function write(root, cells) {
    for (const [name, text] of Object.entries(cells)) {
      const cell = root.querySelector(`[data-cell="${name}"]`);
      if (cell && cell.textContent !== text) cell.textContent = text;
    }
  }

  function row(news) {
    const tr = $(news.key);
    if (!tr) return false;
    write(tr, news.cells);
    const state = tr.querySelector(".state");
    if (!state.classList.contains(news.colour)) {
      for (const one of [state, tr]) {
        one.classList.remove("up", "going", "drain", "maint", "down", "plain");
        one.classList.add(news.colour);
      }
    }
    return true;
  }

  function trouble(list) {
    const items = list.map(([key, server, colour, state]) => {
      const item = document.createElement("li");
      const link = item.appendChild(document.createElement("a"));
      link.href = `#${key}`;
      const word = link.appendChild(document.createElement("b"));
      word.className = `state ${colour}`;
      word.textContent = state;
      link.append(` ${server}`);
      return item;
    });
    $("trouble").replaceChildren(...items);
    $("trouble").parentElement.hidden = items.length === 0;
  }

  function news(told) {
    beat("live", "live");
    const moved = new Map((told.rows || []).map((one) => [one.key, one]));
    for (const one of moved.values()) {
      if (!row(one)) { // a server that came later: the page has no row for it
        location.reload();
        return;
      }
    }
    if (told.trouble) trouble(told.trouble);
    for (const [key, [text, note]] of Object.entries(told.tiles || {})) {
      const tile = document.querySelector(`[data-tile="${key}"]`);
      write(tile, { text, note });
    }
    if (told.uptime) write(document, { uptime: told.uptime });
    latest.rows = moved;
    latest.tiles = told.tiles || latest.tiles;
  }

  // The charts move on every second, for rows of which there is no news too.
  const latest = { rows: new Map(), tiles: {} };
  const last = new Map(); // key -> this second's points

  function tick() {
    for (const [key, one] of latest.rows) last.set(key, one.values);
    latest.rows = new Map();
    for (const chart of document.querySelectorAll("tr .chart")) {
      const values = last.get(chart.closest("tr").id);
      draw(chart, values ? values[charts.indexOf(chart.dataset.chart)] : 0);
    }
    for (const chart of document.querySelectorAll(".tile .chart")) {
      draw(chart, (latest.tiles[chart.dataset.chart] || [])[2] || 0);
    }
  }

  let failures = 0; // in a row

  function listen() {
    const source = new EventSource(`${base};events`);
    let ticking = 0;
    source.addEventListener("hello", (event) => {
      const told = JSON.parse(event.data);
      if (told.layout !== document.body.dataset.layout) location.reload(); // other rows than the page has
      failures = 0;
      if (token) token.value = told.token;
      beat("live", "live");
      clearInterval(ticking);
      ticking = setInterval(tick, 1000);
    });
    source.addEventListener("news", (event) => news(JSON.parse(event.data)));
    source.addEventListener("stale", () => beat("stale", "no figures"));
    source.addEventListener("error", () => {
      clearInterval(ticking);
      beat("stale", "lost, trying again");
      if (++failures > 2) { // what cannot be kept live is loaded again
        source.close();
        setTimeout(() => location.reload(), document.body.dataset.refresh * 1000);
      } else if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
    });
    addEventListener("pagehide", () => source.close(), { once: true });
  }

  // -- what is said -------------------------------------------------------------------------------

  let saying = 0;

  function say(kind, text) {
    const said = $("said");
    said.className = `said ${kind}`;
    said.textContent = text;
    said.hidden = false;
    clearTimeout(saying);
    saying = setTimeout(() => { said.hidden = true; }, 6000);
  }

  // -- actions --------------------------------------------------------------------------------------

  const picks = () => [...farm.querySelectorAll(".one:checked")];

  async function send(data) {
    data.set("token", token.value);
    try {
      const answer = await fetch(base, {
        method: "POST", body: new URLSearchParams(data), headers: { Accept: "application/json" },
      });
      if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
      const told = await answer.json();
      say(told.kind, told.text);
      return told.kind === "good";
    } catch (error) {
      say("bad", `That could not be sent: ${error.message}`);
      return false;
    }
  }

  farm.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(farm, event.submitter);
    if (data.has("do")) data.delete("s");
    if (await send(data) && !data.has("do")) farm.reset();
    picked();
  });

  function act(action) {
    const data = new FormData();
    if (picks().length === 0) {
      const tr = document.activeElement.closest("tr.server");
      if (!tr) return;
      data.set("s", tr.dataset.name);
    } else {
      for (const pick of picks()) data.append("s", pick.value);
    }
    data.set("action", action);
    send(data);
  }

  function picked() {
    const count = picks().length;
    const text = $("picked");
    if (text) text.textContent = count === 1 ? `${picks()[0].value}:` : `${count} servers:`;
    for (const all of document.querySelectorAll(".all")) {
      const ones = [...all.closest("table").querySelectorAll(".one")];
      const on = ones.filter((one) => one.checked).length;
      all.checked = on > 0 && on === ones.length;
      all.indeterminate = on > 0 && on < ones.length;
    }
  }

  farm.addEventListener("change", (event) => {
    const all = event.target;
    if (all.classList.contains("all")) {
      for (const one of all.closest("table").querySelectorAll("tr:not([hidden]) .one")) one.checked = all.checked;
    }
    picked();
  });
  farm.addEventListener("reset", () => setTimeout(picked));

  // -- search -----------------------------------------------------------------------------------------

  const search = $("search");

  function find() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let any = false;
    for (const proxy of document.querySelectorAll(".proxy")) {
      let some = false;
      for (const tr of proxy.querySelectorAll("tbody tr")) {
        const text = `${tr.dataset.name} ${tr.querySelector("th").textContent} ${tr.querySelector(".state").textContent}`.toLowerCase();
        const fits = words.every((word) => text.includes(word));
        tr.hidden = !fits;
        some ||= fits;
      }
      proxy.hidden = !some;
      any ||= some;
    }
    $("nothing").hidden = any || words.length === 0;
  }

  // -- theme --------------------------------------------------------------------------------------------

  const themes = ["", "light", "dark"];

  function theme(name) {
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    $("theme").textContent = { "": "Auto", light: "Light", dark: "Dark" }[name];
    try {
      if (name) localStorage.setItem("greenlb.theme", name);
      else localStorage.removeItem("greenlb.theme");
    } catch { /* a browser that keeps nothing */ }
  }

  function nextTheme() {
    const now = document.documentElement.dataset.theme || "";
    theme(themes[(themes.indexOf(now) + 1) % themes.length]);
  }

  // -- all figures of a row --------------------------------------------------------------------------------

  async function more(link) {
    const answer = await fetch(link.href);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const figures = page.querySelector(".figures");
    figures.querySelector("form a").remove();
    $("row").replaceChildren(figures);
    $("row").showModal();
  }

  farm.addEventListener("click", (event) => {
    const link = event.target.closest("a.more");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    more(link);
  });
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }

  // -- keys ---------------------------------------------------------------------------------------------------

  function move(by) {
    const links = [...document.querySelectorAll("tbody tr:not([hidden]) a.more")].filter((one) => one.offsetParent);
    if (links.length === 0) return;
    const tr = document.activeElement.closest("tr");
    const now = tr ? links.indexOf(tr.querySelector("a.more")) : -1;
    const next = links[now < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, now + by))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  const keys = {
    "/": () => search.focus(),
    "?": () => $("help").showModal(),
    t: nextTheme,
    j: () => move(1),
    k: () => move(-1),
  };
  if (token) {
    Object.assign(keys, { r: () => act("ready"), d: () => act("drain"), m: () => act("maint") });
    keys.x = () => {
      const tr = document.activeElement.closest("tr.server");
      if (tr) tr.querySelector(".one").click();
    };
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      search.value = "";
      find();
      if (document.activeElement === search) search.blur();
      farm.reset();
      return;
    }
    if (event.target.matches("input[type=search], textarea")) return;
    const what = keys[event.key];
    if (!what) return;
    event.preventDefault();
    what();
  });

  // -- begin ------------------------------------------------------------------------------------------------------

  for (const one of document.querySelectorAll(".search, #theme, #keys, .all")) one.hidden = false;
  search.addEventListener("input", find);
  $("theme").addEventListener("click", nextTheme);
  $("keys").addEventListener("click", () => $("help").showModal());
  let wish = "";
  try { wish = localStorage.getItem("greenlb.theme") || ""; } catch { /* none */ }
  theme(themes.includes(wish) ? wish : "");
  picked();
  if (document.body.dataset.live === "yes") listen();
})();
