"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const groups = new Map(), drawn = new Set();
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const slot = (n) => colour(`s${n % 7}`);
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross"];
  const group = (name) => {
    if (!groups.has(name)) groups.set(name, { hidden: new Set(), view: "mean" });
    return groups.get(name);
  };

  // How each kind of trace looks; the data say only what it is.
  const LOOKS = {
    line: (trace, hue, n, view) => ({
      line: { color: hue, width: view === "seeds" ? 1.3 : 2, dash: DASHES[Math.floor(n / 7) % 4] },
      marker: { color: hue, size: 6 },
    }),
    band: (trace, hue) => ({ fill: "toself", fillcolor: `${hue}2b`, line: { width: 0 } }),
    clipped: (trace, hue) => ({ marker: { color: hue, symbol: "triangle-down-open", size: 6, opacity: 0.6 } }),
    bad: (trace, hue) => ({ marker: { color: hue, symbol: "x", size: 10, line: { width: 1, color: colour("ink") } } }),
    dot: (trace, hue) => ({
      marker: { ...trace.marker, color: hue, line: { width: 1, color: colour("card") } },
      error_y: { ...trace.error_y, color: hue },
    }),
    class: (trace, hue, n) => ({ marker: { ...trace.marker, color: hue, opacity: 0.75, symbol: SYMBOLS[Math.floor(n / 7) % 5] } }),
    number: (trace) => ({ marker: { ...trace.marker, colorbar: { thickness: 10, outlinewidth: 0 } } }),
  };
  const painted = (trace, state) => {
    const { role, slot: n = 0, key, view } = trace.meta;
    const shown = !state.hidden.has(key) && (!view || view === state.view);
    return { ...trace, ...LOOKS[role](trace, slot(n), n, state.view), visible: shown, showlegend: false };
  };
  const axis = (given) => ({
    gridcolor: colour("grid"), zerolinecolor: colour("zero"), linecolor: colour("zero"), automargin: true,
    ...given, title: { ...given.title, standoff: 8 }, ...(given.type === "log" ? { tickformat: "~g" } : {}),
  });
  const draw = (place) => {
    const figure = figures[place.id], state = group(figure.group);
    const layout = {
      ...figure.layout, xaxis: axis(figure.layout.xaxis), yaxis: axis(figure.layout.yaxis),
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 56, r: 12, t: 8, b: 44, ...figure.layout.margin },
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("soft") },
      hoverlabel: { namelength: -1, align: "left", bgcolor: colour("hover"), bordercolor: colour("zero"), font: { color: colour("ink") } },
      hovermode: "closest", uirevision: "kept", modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("zero"), activecolor: colour("ink") },
    };
    const options = { displaylogo: false, responsive: true, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
    drawn.add(place);
    return Plotly.react(place, figure.data.map((trace) => painted(trace, state)), layout, options);
  };
  const redraw = (name) => { for (const place of drawn) if (!name || figures[place.id].group === name) draw(place); };

  // A plot is drawn when it comes near: a page of two hundred runs opens at once.
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "600px" });
  const places = all(".plot").filter((place) => Object.hasOwn(figures, place.id));
  addEventListener("beforeprint", () => { for (const place of places) if (!drawn.has(place)) draw(place); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());

  for (const controls of all(".controls")) {
    const name = controls.dataset.group, state = group(name), keys = all(".key", controls);
    const show = () => {
      for (const key of keys) key.setAttribute("aria-pressed", String(!state.hidden.has(Number(key.dataset.key))));
      redraw(name);
    };
    for (const key of keys) {
      const own = Number(key.dataset.key), others = keys.map((k) => Number(k.dataset.key)).filter((k) => k !== own);
      if (key.getAttribute("aria-pressed") === "false") state.hidden.add(own);
      key.addEventListener("click", () => {
        if (!state.hidden.delete(own)) state.hidden.add(own);
        show();
      });
      key.addEventListener("dblclick", () => {
        const alone = others.every((k) => state.hidden.has(k));
        state.hidden = new Set(alone ? [] : others);
        show();
      });
    }
    for (const button of all("[data-view]", controls)) button.addEventListener("click", () => {
      state.view = button.dataset.view;
      for (const each of all("[data-view]", controls)) each.setAttribute("aria-pressed", String(each === button));
      redraw(name);
    });
  }
  for (const place of places) watcher.observe(place);

  for (const table of all("table")) {
    const heads = all("th", table), body = table.tBodies[0];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const numeric = head.classList.contains("number"), up = head.getAttribute("aria-sort") !== "ascending";
      const by = (row) => row.cells[column]?.dataset.by ?? "";
      const order = (a, b) => numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
      // An empty cell is last, whichever way.
      const rows = [...body.rows].sort((a, b) => (by(a) === "") - (by(b) === "") || (up ? 1 : -1) * order(by(a), by(b)));
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      body.append(...rows);
    }));
  }
})();
