"use strict";
// The frame: header, views by the address after #, and what changes live.
LH.VIEWS = [["answer", "Answer"], ["curves", "Curves"], ["price", "Price and plan"], ["data", "Data"], ["audit", "Audit"], ["runs", "Runs"], ["methods", "Methods"]];
LH.page = { name: LH.source.name, document: null, state: null, live: false, error: null };

LH.viewName = () => {
  const name = location.hash.replace(/^#\/?/, "").split("?")[0];
  return LH.VIEWS.some(([view]) => view === name) ? name : "answer";
};

LH.frame = () => {
  const app = document.getElementById("app"), page = LH.page;
  const pill = LH.h("span", { id: "live", class: "pill" });
  LH.fill(app,
    LH.h("header", { class: "top" }, LH.h("div", { class: "top-inner" },
      LH.source.isFile ? LH.h("span", { class: "brand" }, "littlehuman") : LH.h("a", { class: "brand", href: "/" }, "littlehuman"),
      LH.h("h1", {}, page.name ?? "Studies"), pill)),
    page.name === null ? null : LH.h("nav", { class: "views", "aria-label": "views" }, LH.h("ul", {}, LH.VIEWS.map(([view, name]) => LH.h("li", {}, LH.h("a", { href: `#/${view}`, "data-view": view }, name))))),
    LH.h("main", { id: "main", tabindex: -1 }),
    LH.h("footer", {}, LH.h("p", {}, LH.source.isFile ? `Written by littlehuman report, ${LH.source.made}. This file loads nothing from elsewhere; each share and score was computed by littlehuman.` : "Served by littlehuman view on this machine alone. Each share and score was computed by littlehuman; this page only draws them.")));
};

LH.pill = () => {
  const pill = document.getElementById("live"), page = LH.page;
  if (!pill || LH.source.isFile || page.name === null || !page.state) return;
  const running = page.state.progress.counts.running || 0, stale = page.state.document !== page.state.stamp;
  const [text, kind] = page.lost ? ["no connection", "bad"] : running ? [`live: ${running} running`, "live"] : stale ? ["computing", "live"] : ["up to date", "good"];
  pill.textContent = text;
  pill.className = `pill ${kind}`;
};

// What is shown of the document while there is none, or one of fewer runs.
LH.waiting = () => {
  const page = LH.page;
  if (page.error) return [LH.card("There is no answer yet", LH.h("p", { class: "lead" }, page.error.split("\n")[0]), page.error.includes("\n") ? LH.h("p", { class: "note" }, page.error.split("\n").slice(1).join(" ")) : null),
    LH.card("Progress", LH.h("div", { "data-live": "progress" }, LH.progress(page.state.progress)))];
  return [LH.card("The answer is being computed", LH.h("p", {}, "Intervals and tests of all runs take some seconds the first time; runs and items can be read meanwhile.")),
    LH.card("Progress", LH.h("div", { "data-live": "progress" }, LH.progress(page.state.progress)))];
};

LH.render = (moved) => {
  const main = document.getElementById("main"), view = LH.viewName(), page = LH.page;
  if (!main || !page.state) return;
  for (const link of document.querySelectorAll("nav.views a")) {
    if (link.dataset.view === view) {
      link.setAttribute("aria-current", "page");
      const bar = link.closest("ul");
      bar.scrollLeft = link.parentElement.offsetLeft - bar.offsetLeft - (bar.clientWidth - link.offsetWidth) / 2;
    }
    else link.removeAttribute("aria-current");
  }
  const known = LH.VIEWS.find(([name]) => name === view)[1];
  document.title = `${page.name}: ${known.toLowerCase()} – littlehuman`;
  const ready = page.document || ((view === "runs" || view === "data") && { commands: null, sections: null, curves: [] });
  try {
    LH.fill(main, LH.h("h2", { class: "unseen" }, known), ready ? LH.views[view]({ ...page, document: ready }) : LH.waiting());
  } catch (error) {
    console.error(error);
    LH.fill(main, LH.card("This view cannot be drawn", LH.h("p", { class: "problem" }, String(error))));
  }
  main.dataset.view = view;
  if (moved) { main.focus({ preventScroll: true }); window.scrollTo(0, 0); }
  LH.pill();
};

LH.loadDocument = async () => {
  const found = await LH.source.document(LH.page.name);
  if (found.computing) return;
  LH.page.error = found.error || null;
  if (!found.error) LH.page.document = found;
};

LH.changed = async (live) => {
  const page = LH.page, before = page.state, waited = !page.document;  // then a view may show less than there is
  const fresh = live.stamp !== before.stamp, redrawn = live.document !== page.drawn && live.document !== null;
  page.state = { ...before, ...live };
  if (fresh || JSON.stringify(before.progress.counts) !== JSON.stringify(live.progress.counts)) page.state = await LH.source.state(page.name);
  if (redrawn) { await LH.loadDocument(); page.drawn = live.document; }
  const view = LH.viewName();
  if (redrawn && (waited || !(view === "data" || (view === "price" && document.getElementById("main").contains(document.activeElement))))) {
    const top = window.scrollY;
    LH.render();
    window.scrollTo(0, top);
  } else {
    for (const place of document.querySelectorAll("[data-live=progress]")) LH.fill(place, LH.progress(page.state.progress));
    if (view === "runs" && fresh) LH.render();
  }
  const counts = page.state.progress.counts;
  if (fresh) LH.say(`${LH.count(counts.done || 0)} runs done${counts.failed ? `, ${counts.failed} failed` : ""}${counts.running ? `, ${counts.running} running` : ""}.`);
  LH.pill();
};

LH.start = async () => {
  const page = LH.page;
  LH.frame();
  const main = document.getElementById("main");
  try {
    if (page.name === null) {
      document.title = "Studies – littlehuman";
      const show = async () => LH.fill(main, LH.startPage(await LH.source.studies()));
      await show();
      setInterval(() => { if (!document.hidden && !main.contains(document.activeElement)) show().catch(() => {}); }, 5000);
      return;
    }
    [page.state] = await Promise.all([LH.source.state(page.name), LH.loadDocument()]);
    page.drawn = page.document ? page.state.document : undefined;
    LH.render();
    window.addEventListener("hashchange", () => LH.render(true));
    let queue = Promise.resolve();
    LH.source.watch(page.name, (live) => { queue = queue.then(() => LH.changed(live)).catch(console.error); }, (lost = true) => { page.lost = lost; LH.pill(); });
  } catch (error) {
    LH.fill(main, LH.card("This page cannot be shown", LH.h("p", { class: "problem" }, error.message)));
  }
};

// On paper nothing can be unfolded.
window.addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("main details")) one.open = true; });

LH.start();
