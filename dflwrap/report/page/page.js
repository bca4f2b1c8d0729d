"use strict";
(() => {
  const night = JSON.parse(document.getElementById("data").textContent);
  const box = document.getElementById("charts");
  const reading = document.getElementById("reading");
  const hint = reading.textContent;
  const root = document.documentElement;
  const ink = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const shift = night.offset;
  const at = (seconds) => seconds + shift; // shown in the clock of the machine that ran, wherever this is read
  const two = (n) => String(n).padStart(2, "0");
  const clock = (shifted) => {
    const d = new Date(shifted * 1000);
    return two(d.getUTCHours()) + ":" + two(d.getUTCMinutes()) + ":" + two(d.getUTCSeconds());
  };
  const bands = night.bands.map((b) => ({ ...b, start: at(b.start), end: at(b.end) }));
  const marks = night.marks.map((m) => ({ ...m, time: at(m.time) }));
  const whole = [at(night.start), Math.max(at(night.end), at(night.start) + 1)];
  const charts = [];
  let range = whole;
  let busy = false;

  const markInk = { rung: "curve4", quarantine: "quarantined", wait: "look", width: "curve4", start: "good", end: "bad", note: "no_face" };
  const bandInk = { ok: "band-ok", running: "band-ok", partly: "band-ok", failed: "band-failed", wait: "band-wait" };

  function paint(u, lane) {
    const c = u.ctx, { left, top, width, height } = u.bbox;
    c.save();
    c.beginPath(); c.rect(left, top, width, height); c.clip();
    for (const b of bands) {
      const x0 = u.valToPos(b.start, "x", true), x1 = u.valToPos(b.end, "x", true);
      if (x1 < left || x0 > left + width) continue;
      c.fillStyle = ink(bandInk[b.kind] || "band-ok");
      c.fillRect(x0, top, Math.max(1, x1 - x0), height);
      if (lane) {
        c.fillStyle = ink(b.kind === "failed" ? "not_attempted" : b.kind === "wait" ? "quarantined" : "extracted");
        c.fillRect(x0, top + height * (b.kind === "wait" ? 0.62 : 0.12), Math.max(2, x1 - x0 - 1), height * 0.26);
        if (b.kind === "partly") {
          const tail = Math.min(6 * devicePixelRatio, (x1 - x0) / 2);
          c.fillStyle = ink("not_attempted");
          c.fillRect(x1 - 1 - tail, top + height * 0.12, tail, height * 0.26);
        }
      }
    }
    for (const m of marks) {
      const x = Math.round(u.valToPos(m.time, "x", true));
      if (x < left || x > left + width || (!lane && m.kind === "note")) continue;
      c.fillStyle = ink(markInk[m.kind] || "no_face");
      c.globalAlpha = lane ? 1 : 0.35;
      c.fillRect(x, lane ? top + height * 0.42 : top, Math.max(1, devicePixelRatio), lane ? height * 0.5 : height);
      c.globalAlpha = 1;
    }
    c.restore();
  }

  function told(shifted) {
    const parts = [clock(shifted)];
    for (const b of bands) if (b.start <= shifted && shifted <= b.end) { parts.push(b.label); if (parts.length > 2) break; }
    for (const { chart } of charts) {
      if (!chart) continue;
      const i = nearest(chart.times, shifted);
      if (i === null) continue;
      for (const curve of chart.curves) {
        const v = curve.values[i];
        if (v !== null) parts.push((curve.label === "speed" ? "" : curve.label + " ") + v + " " + curve.unit);
      }
    }
    const near = (range[1] - range[0]) / 120;
    const close = marks.filter((m) => Math.abs(m.time - shifted) < near).slice(0, 3);
    return parts.join(" · ") + (close.length ? " — " + close.map((m) => m.label).join("; ") : "");
  }

  function nearest(times, shifted) {
    let best = null;
    for (let i = 0; i < times.length; i++) {
      const apart = Math.abs(times[i] + shift - shifted);
      if (best === null || apart < Math.abs(times[best] + shift - shifted)) best = i;
    }
    return best !== null && Math.abs(times[best] + shift - shifted) <= Math.max(60, (whole[1] - whole[0]) / 100) ? best : null;
  }

  function moments(u, splits) {
    let day = "";
    return splits.map((shifted) => {
      const now = new Date(shifted * 1000).toISOString(), today = now.slice(0, 10);
      const text = now.slice(11, splits.length > 1 && splits[1] - splits[0] < 60 ? 19 : 16);
      const label = today === day ? text : text + "\n" + today;
      day = today;
      return label;
    });
  }

  function zoom(from, to) {
    const least = 2, span = Math.max(least, Math.min(to - from, whole[1] - whole[0]));
    from = Math.max(whole[0], Math.min(from, whole[1] - span));
    range = [from, from + span];
    busy = true;
    for (const { plot } of charts) plot.setScale("x", { min: range[0], max: range[1] });
    busy = false;
  }

  const hooks = (lane) => ({
    drawClear: [(u) => paint(u, lane)],
    setScale: [(u, key) => {
      if (key === "x" && !busy && charts.length) zoom(u.scales.x.min, u.scales.x.max);
    }],
    setCursor: [(u) => {
      if (u.cursor.left >= 0) reading.textContent = told(u.posToVal(u.cursor.left, "x"));
    }],
  });

  const axis = (more) => ({ stroke: () => ink("soft"), grid: { stroke: () => ink("grid"), width: 1 }, ticks: { stroke: () => ink("grid") }, font: "12px system-ui, sans-serif", ...more });

  function add(title, data, series, height, lane, chart) {
    const card = document.createElement("div");
    card.className = "chart";
    const head = document.createElement("h3");
    head.textContent = title;
    const place = document.createElement("div");
    card.append(head, place);
    box.append(card);
    const plot = new uPlot({
      width: Math.max(200, place.clientWidth), height, series, hooks: hooks(lane),
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { x: { time: true, min: whole[0], max: whole[1] }, y: lane ? { range: [0, 1] } : { range: (u, lo, hi) => [0, hi > 0 ? hi * 1.08 : 1] } },
      axes: [axis({ space: 60, values: moments }), axis({ size: 52, show: true, values: lane ? () => [] : undefined, grid: lane ? { show: false } : { stroke: () => ink("grid"), width: 1 } })],
      legend: { show: series.length > 2, live: false }, cursor: { sync: { key: "night" }, drag: { x: true, y: false }, points: { show: !lane } },
    }, data, place);
    plot.over.addEventListener("dblclick", () => zoom(...whole));
    charts.push({ plot, place, chart });
  }

  const lanes = whole.map(() => null);
  add("Attempts, waits and decisions", [whole, lanes], [{}, { show: true, label: "" }], 96, true, null);
  for (const chart of night.charts) {
    const times = chart.times.map(at);
    const series = [{}].concat(chart.curves.map((curve, i) => ({
      label: curve.label + (curve.unit ? ", " + curve.unit : ""), stroke: () => ink("curve" + (i % 4 + 1)), width: 1.5,
      spanGaps: false, points: { show: chart.times.length < 3 }, paths: chart.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
    })));
    const unit = chart.unit && chart.unit !== chart.title.toLowerCase() ? ", " + chart.unit : "";
    add(chart.title + unit, [times, ...chart.curves.map((c) => c.values)], series, chart.curves.length > 1 ? 172 : 152, false, chart);
  }
  zoom(...whole);

  const key = document.getElementById("bands-key");
  for (const [name, words] of [["extracted", "attempt"], ["not_attempted", "failed attempt, or a failure at the end of one"], ["quarantined", "wait"]]) {
    const item = document.createElement("li");
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 1 1");
    svg.setAttribute("aria-hidden", "true");
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    rect.setAttribute("class", name);
    rect.setAttribute("width", "1");
    rect.setAttribute("height", "1");
    svg.append(rect);
    item.append(svg, words);
    key.append(item);
  }

  function act(what) {
    const [from, to] = range, span = to - from, middle = (from + to) / 2;
    if (what === "in") zoom(middle - span / 4, middle + span / 4);
    if (what === "out") zoom(middle - span, middle + span);
    if (what === "left") zoom(from - span / 4, to - span / 4);
    if (what === "right") zoom(from + span / 4, to + span / 4);
    if (what === "all") zoom(...whole);
  }
  const tools = document.querySelector(".tools");
  tools.hidden = false;
  tools.addEventListener("click", (event) => act(event.target.dataset.do));

  let spot = 0;
  box.addEventListener("keydown", (event) => {
    const zooms = { "+": "in", "=": "in", "-": "out", "0": "all" };
    if (zooms[event.key]) act(zooms[event.key]);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      if (event.shiftKey) act(event.key === "ArrowLeft" ? "left" : "right");
      else {
        const plot = charts[0].plot, wide = plot.over.clientWidth;
        spot = Math.max(0, Math.min(wide - 1, (spot || wide / 2) + (event.key === "ArrowLeft" ? -wide / 80 : wide / 80)));
        for (const one of charts) one.plot.setCursor({ left: spot, top: 10 });
        reading.textContent = told(plot.posToVal(spot, "x"));
      }
    } else if (event.key === "Escape") reading.textContent = hint;
    else return;
    event.preventDefault();
  });

  const redraw = () => charts.forEach(({ plot }) => plot.redraw(false, true));
  new ResizeObserver(() => charts.forEach(({ plot, place }) => {
    const wide = Math.max(200, place.clientWidth);
    if (Math.abs(wide - plot.width) > 1) plot.setSize({ width: wide, height: plot.height });
  })).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let closed = [];
  addEventListener("beforeprint", () => {
    root.classList.add("printing");
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((one) => { one.open = true; });
    redraw();
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    closed.forEach((one) => { one.open = false; });
    redraw();
  });
})();
