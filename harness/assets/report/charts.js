"use strict";
// Draws the charts that the page carries as JSON. Text goes in as text, never as markup.
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const HEIGHT = 300;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  // --- values as people read them

  const digits = (value, most = 3) => String(Number(value.toPrecision(most)));

  const scaled = (value, steps) => {
    if (value === 0) return "0" + steps[0][1];
    const step = steps.findLast(([least]) => Math.abs(value) >= least) ?? steps[0];
    return digits(value / step[0]) + step[1];
  };

  const UNITS = {
    count: (value) => scaled(value, [[1, ""], [1e3, " k"], [1e6, " M"], [1e9, " G"]]),
    bytes: (value) => scaled(value, [[1, " B"], [1024, " KiB"], [1048576, " MiB"], [1073741824, " GiB"]]),
    ns: (value) => scaled(value, [[1, " ns"], [1e3, " µs"], [1e6, " ms"], [1e9, " s"]]),
    seconds: (value) => digits(value) + " s",
    part: (value) => digits(value * 100) + " %",
    gigabits: (value) => digits(value) + " Gbit/s",
    percentile: (value) => "p" + digits(100 - 100 / value, Math.max(3, Math.ceil(Math.log10(value)) + 2)),
    date: (value) => new Date(value * 1000).toISOString().slice(0, 16).replace("T", " "),
  };
  const shown = (unit, value) => (value == null ? "–" : UNITS[unit](value));

  // As much of a date as tells one mark of an axis from the next.
  const dates = (splits) => {
    const apart = splits[1] - splits[0];
    const [from, to] = apart >= 86400 ? [0, 10] : apart >= 60 ? [5, 16] : [11, 19];
    return splits.map((at) => new Date(at * 1000).toISOString().slice(from, to).replace("T", " "));
  };

  // --- scales

  // 1, 2, 5, 10, … or, where that is too many, powers of ten.
  const logTicks = (min, max) => {
    const decades = Math.log10(max / min);
    const factors = decades > 3 ? [1] : decades > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
    const ticks = [];
    for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
      for (const factor of factors) {
        const tick = Number((factor * 10 ** power).toPrecision(6));
        if (tick >= min && tick <= max) ticks.push(tick);
      }
    }
    return ticks;
  };

  const isLog = (axis) => axis.scale === "log";

  const scaleOf = (axis, range) => (isLog(axis) ? { time: false, distr: 3, log: 10, range } : { time: axis.unit === "date", range });

  const yRange = (axis) => (_plot, min, max) => {
    if (min == null || max == null) return isLog(axis) ? [1, 10] : [0, 1];
    if (isLog(axis)) return [min / 1.25, max * 1.25];
    return [Math.min(0, min), max > 0 ? max * 1.08 : 1];
  };

  const axisOf = (axis, side) => {
    const common = {
      stroke: css("--quiet"),
      grid: { stroke: css("--grid"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
      labelFont: "12px system-ui, sans-serif",
      values: (_plot, splits) => (axis.unit === "date" ? dates(splits) : splits.map((split) => (split == null ? "" : shown(axis.unit, split)))),
    };
    if (isLog(axis)) {
      common.splits = (_plot, _axis, min, max) => logTicks(min, max);
      common.filter = (plot, splits) => {
        const room = side === "x" ? plot.bbox.width / devicePixelRatio / 60 : plot.bbox.height / devicePixelRatio / 22;
        const every = Math.ceil(splits.length / Math.max(1, room));
        return splits.map((split, index) => (index % every ? null : split));
      };
    }
    const space = axis.unit === "date" ? 100 : 64;
    return side === "x" ? { ...common, label: axis.label, labelSize: 18, size: 34, space } : { ...common, size: 62, space: 34 };
  };

  // --- data

  // Bars of several series stand beside each other: every series has x values of its own, around those of the chart.
  const barData = (chart) => {
    const many = chart.series.length;
    const at = [];
    const values = chart.series.map(() => []);
    chart.at.forEach((_, key) => {
      chart.series.forEach((one, number) => {
        at.push(key + ((number - (many - 1) / 2) * 0.8) / many);
        values.forEach((all, other) => all.push(other === number ? one.values[key] : null));
      });
    });
    return [at, ...values];
  };

  const isBars = (chart) => chart.kind === "bars";
  const data = (chart) => (isBars(chart) ? barData(chart) : [chart.at, ...chart.series.map((one) => one.values)]);
  // From a position in the plotted data to one in the chart's.
  const key = (chart, index) => (isBars(chart) ? Math.floor(index / chart.series.length) : index);

  const DASHES = { dashed: [6, 5], dotted: [2, 4] };

  const colorOf = (series) => css(`--c${series.color % 8}`);

  const seriesOf = (chart) =>
    chart.series.map((one) => {
      const color = colorOf(one);
      const common = { label: one.name, stroke: color, spanGaps: true };
      if (isBars(chart)) {
        return { ...common, spanGaps: false, fill: color, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.92, 60], align: 0 }) };
      }
      if (one.marks) {
        return { ...common, width: 0, stroke: color, paths: () => null, points: { show: true, size: 10, width: 3, stroke: color, fill: css("--page") } };
      }
      const few = chart.at.length <= 40;
      return { ...common, width: 2, dash: DASHES[one.stroke], points: { show: few, size: 6, fill: color } };
    });

  // --- one chart

  class Plot {
    constructor(chart, figure) {
      this.chart = chart;
      this.figure = figure;
      this.hidden = new Set();
      this.place = element("div", { className: "plot", tabIndex: 0 });
      this.place.setAttribute("role", "group");
      this.place.setAttribute("aria-label", `${chart.title}. Arrow keys move the cursor, plus and minus zoom, 0 shows all.`);
      this.readout = element("p", { className: "readout" });
      this.readout.setAttribute("aria-live", "polite");
      this.legend = this.makeLegend();
      figure.append(this.makeTools(), this.place, this.readout, this.legend);
      this.place.addEventListener("keydown", (event) => this.onKey(event));
      this.draw();
      new ResizeObserver(() => this.fit()).observe(this.place);
    }

    makeTools() {
      const tool = (text, label, act) => {
        const button = element("button", { type: "button", textContent: text, onclick: act });
        button.setAttribute("aria-label", `${label}: ${this.chart.title}`);
        return button;
      };
      return element(
        "div",
        { className: "tools" },
        tool("+", "Zoom in", () => this.zoom(0.5)),
        tool("−", "Zoom out", () => this.zoom(2)),
        tool("All", "Show all", () => this.reset()),
      );
    }

    makeLegend() {
      this.values = [];
      const entries = this.chart.series.map((one, number) => {
        const swatch = element("span", { className: `swatch c${one.color % 8}${one.stroke ? ` ${one.stroke}` : ""}${one.marks ? " marks" : ""}` });
        const value = element("output");
        this.values.push(value);
        const button = element("button", { type: "button" }, swatch, element("span", { textContent: one.name }), value);
        button.setAttribute("aria-pressed", "true");
        button.addEventListener("click", () => this.toggle(number, button));
        return element("li", {}, button);
      });
      return element("ul", { className: "legend" }, ...entries);
    }

    toggle(number, button) {
      const show = this.hidden.has(number);
      this.hidden[show ? "delete" : "add"](number);
      button.setAttribute("aria-pressed", String(show));
      this.plot.setSeries(number + 1, { show });
    }

    draw() {
      const { chart } = this;
      const values = data(chart);
      const x = axisOf(chart.x, "x");
      const ends = isBars(chart) ? [-0.6, chart.at.length - 0.4] : this.ends();
      if (isBars(chart)) {
        x.splits = (_plot, _axis, min, max) => chart.at.map((_, index) => index).filter((index) => index >= min && index <= max);
        x.values = (_plot, splits) => {
          const every = Math.ceil(splits.length / Math.max(1, Math.floor(this.width() / 44)));
          return splits.map((split, index) => (index % every ? "" : String(chart.at[split] ?? "")));
        };
      }
      this.ends0 = ends;
      this.plot?.destroy();
      this.plot = new uPlot(
        {
          width: this.width(),
          height: HEIGHT,
          padding: [null, chart.x.unit === "date" ? 44 : null, null, null],
          tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
          legend: { show: false },
          cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 }, bind: { dblclick: () => () => this.reset() } },
          scales: {
            x: isBars(chart) ? { time: false, range: (_plot, min, max) => [min, max] } : scaleOf(chart.x, (_plot, min, max) => [min, max]),
            y: scaleOf(chart.y, yRange(chart.y)),
          },
          axes: [x, axisOf(chart.y, "y")],
          series: [{}, ...seriesOf(chart).map((one, number) => ({ ...one, show: !this.hidden.has(number) }))],
          hooks: { setCursor: [(plot) => this.tell(plot)] },
        },
        values,
        this.place,
      );
      this.reset();
    }

    // A single point gets room around it.
    ends() {
      const { at, x } = this.chart;
      const [first, last] = [at[0], at[at.length - 1]];
      if (first < last) return [first, last];
      if (x.unit === "part") return [0, 1];
      return isLog(x) ? [first / 2, first * 2] : [first < 0 ? first - 1 : Math.max(0, first - 1), first + 1];
    }

    width() {
      return Math.max(200, this.place.clientWidth);
    }

    fit() {
      if (this.plot.width !== this.width()) this.plot.setSize({ width: this.width(), height: HEIGHT });
    }

    reset() {
      const [min, max] = this.ends0;
      this.plot.setScale("x", { min, max });
    }

    zoom(factor) {
      const { min, max } = this.plot.scales.x;
      const log = !isBars(this.chart) && isLog(this.chart.x);
      const to = log ? Math.log10 : (value) => value;
      const from = log ? (value) => 10 ** value : (value) => value;
      const at = this.plot.cursor.idx == null ? null : this.plot.data[0][this.plot.cursor.idx];
      const middle = at != null && at >= min && at <= max ? to(at) : (to(min) + to(max)) / 2;
      const low = Math.max(to(this.ends0[0]), middle - (middle - to(min)) * factor);
      const high = Math.min(to(this.ends0[1]), middle + (to(max) - middle) * factor);
      this.plot.setScale("x", { min: from(low), max: from(high) });
    }

    tell(plot) {
      const index = plot.cursor.idx;
      const at = index == null ? null : key(this.chart, index);
      this.chart.series.forEach((one, number) => {
        this.values[number].textContent = at == null ? "" : shown(this.chart.y.unit, one.values[at]);
      });
      this.readout.textContent = at == null ? "" : `${this.chart.x.label} ${shown(this.chart.x.unit, this.chart.at[at])}`;
    }

    moveTo(index) {
      const at = this.plot.data[0];
      const kept = Math.min(at.length - 1, Math.max(0, index));
      const { min, max } = this.plot.scales.x;
      if (at[kept] < min || at[kept] > max) return;
      this.plot.setCursor({ left: this.plot.valToPos(at[kept], "x"), top: 1 });
    }

    onKey(event) {
      const now = this.plot.cursor.idx;
      const step = isBars(this.chart) ? this.chart.series.length : 1;
      const last = this.plot.data[0].length - 1;
      const acts = {
        ArrowRight: () => this.moveTo(now == null ? 0 : now + step),
        ArrowLeft: () => this.moveTo(now == null ? last : now - step),
        Home: () => this.moveTo(0),
        End: () => this.moveTo(last),
        "+": () => this.zoom(0.5),
        "=": () => this.zoom(0.5),
        "-": () => this.zoom(2),
        0: () => this.reset(),
        Escape: () => this.reset(),
      };
      if (event.ctrlKey || event.metaKey || event.altKey || !acts[event.key]) return;
      event.preventDefault();
      acts[event.key]();
    }
  }

  const plots = charts.map((chart) => new Plot(chart, document.getElementById(chart.id)));
  dark.addEventListener("change", () => plots.forEach((plot) => plot.draw()));
  // For tests, and for who wants more of a plot than the page shows.
  window.handfast = { plots };
})();
