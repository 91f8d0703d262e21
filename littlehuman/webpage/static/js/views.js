"use strict";
// The other views: answer, audit, runs, methods; and the start page with all studies.
LH.STATES = { done: "done", running: "running", failed: "failed", stopped: "stopped", waiting: "not begun", "result lost": "result lost" };

LH.progress = (progress, causes = 5) => {
  const entries = Object.entries(progress.counts), total = entries.reduce((sum, [, count]) => sum + count, 0);
  const bar = LH.h("div", { class: "progress", role: "img", "aria-label": entries.map(([state, count]) => `${count} ${LH.STATES[state] || state}`).join(", ") },
    entries.map(([state, count]) => {
      const part = LH.h("span", { class: `part ${state.replace(" ", "-")}` });
      part.style.flexGrow = count;
      return part;
    }));
  const numbers = LH.h("ul", { class: "counts" }, entries.map(([state, count]) => LH.h("li", { class: state.replace(" ", "-") }, LH.h("strong", {}, LH.count(count)), ` ${LH.STATES[state] || state}`)));
  const facts = [
    progress.eta_s !== null ? `about ${LH.time(progress.eta_s)} left` : null,
    progress.usd ? `${LH.money(progress.usd)} USD paid` : "nothing paid",
    progress.seconds ? `${LH.time(progress.seconds)} of compute` : null,
  ].filter(Boolean);
  return [bar, LH.h("div", { class: "progress-line" }, numbers, LH.h("span", { class: "muted" }, [`${LH.plural(total, "run")}`, ...facts].join(" · "))),
    progress.running.length ? LH.h("ul", { class: "running" }, progress.running.map((one) => LH.h("li", {}, LH.h("code", {}, one.cell), ` ${one.stage || ""}`))) : null,
    progress.causes.length ? LH.h("ul", { class: "problems" }, progress.causes.slice(0, causes).map(([cause, count]) => LH.h("li", {}, `${LH.plural(count, "failed run")}: ${cause}`))) : null];
};

LH.facts = (facts) => LH.h("dl", { class: "facts" }, facts.map(([name, value]) => [LH.h("dt", {}, name), LH.h("dd", {}, value)]));

LH.views.answer = (page) => {
  const doc = page.document, facets = LH.facets(doc);
  const about = new Map(doc.facts);
  const short = ["dataset", "model", "twins by", "protocol", "seeds"].filter((key) => about.has(key)).map((key) => `${key} ${about.get(key)}`).join(" · ");
  const running = page.state.progress.counts.running > 0;
  const progress = LH.card("Progress", LH.h("div", { "data-live": "progress" }, LH.progress(page.state.progress)));
  return [
    LH.h("section", { class: "hero" }, LH.h("h2", { class: "unseen" }, "The answer"), LH.h("p", { class: "answer" }, doc.answer), LH.h("p", { class: "muted" }, short)),
    running ? progress : null,
    doc.findings.length ? LH.card("In short", LH.list(doc.findings, "findings")) : null,
    !facets.length && doc.learning?.length ? LH.learningCard(doc.learning[0], doc) : null,
    facets.length ? LH.card(`${facets[0].place}: the score as human points are replaced by twins`,
      LH.facetLegend(facets[0]), LH.scoreChart(facets[0], 300), LH.axisNote(),
      LH.h("p", { class: "note" }, "A run is one model, trained on one mixture and tested on human points. A synthetic twin is a point that a prompt model wrote from the evidence of a human one; the synthetic share is the part of the training points that twins replace. ",
        LH.h("a", { href: "#/curves" }, facets.length > 1 ? `All ${facets.length} panels, verdicts and numbers` : "Verdicts and numbers"))) : null,
    running ? null : progress,
    LH.card("What it holds for", LH.facts(doc.facts)),
    LH.card("How to make these numbers", LH.command(doc.commands.report, "this page"), LH.command(doc.commands.answers, "for programs"), LH.command(doc.commands.next, "is another seed worth it?")),
  ];
};

LH.views.audit = (page) => {
  const doc = page.document, sections = doc.sections.audit;
  return [
    sections.length ? sections.map((section) => LH.section(section, doc.commands)) : LH.card("Audit", LH.h("p", {}, "No run of this study has an audit.")),
    LH.card("How to make these numbers", LH.command(doc.commands.audit, "the worst pairs, with their texts"), LH.command(doc.commands.verify, "are all files as they were?")),
  ];
};

LH.runsAsked = { state: "all", words: "", page: 0 };
LH.runsTable = (page) => {
  const { columns, rows } = page.state.cells, at = Object.fromEntries(columns.map((name, i) => [name, i])), size = 100, asked = LH.runsAsked;
  const states = [...new Set(rows.map((row) => row[at.state]))].sort();
  const place = LH.h("div"), pager = LH.h("nav", { class: "pager", "aria-label": "pages of runs" });
  const score = (row) => (LH.isNumber(row[at.score]) ? `${LH.percent(row[at.score])} [${LH.percent(row[at.low])}, ${LH.percent(row[at.high])}]` : LH.NOTHING);
  const several = (name) => new Set(rows.map((row) => row[at[name]])).size > 1;
  const knobs = ["dataset", "model", "prompt_model", "strategy", "n_train"].filter(several);
  const show = () => {
    const words = asked.words.toLowerCase();
    const kept = rows.filter((row) => (asked.state === "all" || row[at.state] === asked.state) && (!words || row.some((value) => String(value ?? "").toLowerCase().includes(words))));
    const pages = Math.max(1, Math.ceil(kept.length / size));
    asked.page = Math.min(asked.page, pages - 1);
    const link = (row) => (LH.source.isFile || row[at.state] !== "done" ? row[at.cell] : LH.h("a", { href: "#/data", onclick: () => { Object.assign(LH.asked, { kind: "predictions", cell: row[at.cell], page: 0, words: "", show: "all" }); } }, row[at.cell]));
    const cause = (row) => row[at.error] || "";
    LH.fill(place, LH.table({
      title: "Runs", words: 2,
      header: ["run", "state", "score (%)", "synthetic share", "seed", ...knobs.map((name) => (name === "prompt_model" ? "twins by" : name)), "human", "synthetic", "USD", "time", "cause"],
      rows: kept.slice(asked.page * size, (asked.page + 1) * size).map((row) => [link(row), LH.badge(LH.STATES[row[at.state]] || row[at.state], { done: "good", failed: "bad", running: "live" }[row[at.state]] || "warn"),
        score(row), LH.isNumber(row[at.synth_frac]) ? LH.share(row[at.synth_frac]) : LH.NOTHING, row[at.seed] ?? LH.NOTHING, ...knobs.map((name) => row[at[name]] ?? LH.NOTHING), LH.count(row[at.n_human]), LH.count(row[at.n_synthetic]),
        LH.isNumber(row[at.usd]) ? LH.money(row[at.usd]) : LH.NOTHING, LH.time(row[at.seconds]), LH.h("span", { class: "cause" }, cause(row))]),
    }, "Runs"));
    const turn = (to) => () => { asked.page = to; show(); };
    LH.fill(pager, LH.h("span", { role: "status" }, `${LH.plural(kept.length, "run")}, page ${asked.page + 1} of ${pages}`),
      LH.h("button", { type: "button", disabled: asked.page === 0, onclick: turn(asked.page - 1) }, "Previous"), LH.h("button", { type: "button", disabled: asked.page + 1 >= pages, onclick: turn(asked.page + 1) }, "Next"));
  };
  show();
  return LH.card("Runs",
    LH.h("div", { class: "fields" },
      LH.select("state", [["all", "all"], ...states.map((state) => [state, LH.STATES[state] || state])], asked.state, (value) => { Object.assign(asked, { state: value, page: 0 }); show(); }),
      LH.h("label", { class: "field" }, LH.h("span", {}, "search"), LH.h("input", { type: "search", value: asked.words, oninput: (event) => { Object.assign(asked, { words: event.target.value, page: 0 }); show(); } }))),
    place, pager);
};

LH.views.runs = (page) => [
  LH.card("Progress", LH.h("div", { "data-live": "progress" }, LH.progress(page.state.progress))),
  LH.runsTable(page),
  page.document.sections ? page.document.sections.runs.map((section) => LH.section(section, page.document.commands)) : null,
  page.document.commands ? LH.card("Check and continue", LH.command(page.document.commands.verify, "are all files as they were?"), LH.command(page.document.commands.next, "is another seed worth it?")) : null,
];

LH.views.methods = (page) => [
  LH.card("How it was computed", LH.list(page.document.methods, "methods")),
  page.document.sections.methods.map((section) => LH.section(section, page.document.commands)),
  LH.card("What it was computed from", LH.facts(page.document.facts)),
];

LH.startPage = (found) => {
  const entries = found.studies.map((one) => LH.h("li", { class: "card study" },
    LH.h("h2", {}, LH.h("a", { href: `/study/${encodeURIComponent(one.name)}` }, one.name)),
    one.answer ? LH.h("p", {}, one.answer) : LH.h("p", { class: "muted" }, "Open it to have its answer computed."),
    LH.progress(one.progress, 1)));
  return entries.length ? LH.h("ul", { class: "studies" }, entries)
    : LH.card("No study yet", LH.h("p", {}, "A sweep makes one; this page finds it as soon as its first run begins."), LH.command("littlehuman -m experiment=smoke"));
};
