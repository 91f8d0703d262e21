"use strict";
// Where the data comes from: the server of `littlehuman view`, or the page itself where it is one file.
LH.source = (() => {
  const embedded = document.getElementById("littlehuman-data");
  if (embedded) {
    const data = JSON.parse(embedded.textContent);
    return {
      isFile: true,
      name: data.document.study,
      made: data.made,
      sample: data.sample,
      document: async () => data.document,
      state: async () => ({ study: data.document.study, progress: data.progress, cells: data.document.cells, stamp: "file", document: "file" }),
      items: async (_, asked) => {
        const found = data.sample.pages.find((page) => page.kind === asked.kind && (page.cell ?? page.curve) === (asked.cell ?? asked.curve));
        return LH.pageOf(found, asked);
      },
      plan: null,
      watch: () => () => {},
    };
  }
  const get = async (path) => {
    const answer = await fetch(path, { headers: { accept: "application/json" } });
    const value = await answer.json();
    if (!answer.ok) throw new Error(value.error || `The server answered ${answer.status}.`);
    return value;
  };
  const at = (name, what) => `/api/study/${encodeURIComponent(name)}/${what}`;
  const parts = location.pathname.split("/");
  return {
    isFile: false,
    name: parts[1] === "study" ? decodeURIComponent(parts[2] || "") : null,
    studies: () => get("/api/studies"),
    document: (name) => get(at(name, "document")),
    state: (name) => get(at(name, "state")),
    items: (name, asked) => get(at(name, `items?${new URLSearchParams(asked)}`)),
    plan: (name, asked) => get(at(name, `plan?${new URLSearchParams(asked)}`)),
    watch: (name, changed, lost) => {
      const events = new EventSource(at(name, "events"));
      events.addEventListener("state", (event) => changed(JSON.parse(event.data)));
      events.onerror = () => lost();
      events.onopen = () => lost(false);
      return () => events.close();
    },
  };
})();

// Search, filter and pages over a sample that stands in the file: the server does the same over all items.
LH.pageOf = (page, asked) => {
  if (!page) return { rows: [], total: 0, of: 0, page: 0, pages: 1, notes: ["This run is not in the sample of this file."], kind: asked.kind };
  const words = (asked.words || "").toLowerCase();
  const texts = (value) => (value && typeof value === "object" ? Object.values(value).flatMap(texts) : [String(value ?? "")]);
  const shown = { right: (row) => row.score >= 1, wrong: (row) => row.score === 0, between: (row) => row.score > 0 && row.score < 1 };
  const kept = page.rows.filter((row) => (shown[asked.show] || (() => true))(row) && (!words || texts(row).some((text) => text.toLowerCase().includes(words))));
  const size = 20, pages = Math.max(1, Math.ceil(kept.length / size)), nth = Math.min(Number(asked.page || 0), pages - 1);
  return { ...page, rows: kept.slice(nth * size, nth * size + size), total: kept.length, of: page.rows.length, page: nth, pages };
};
