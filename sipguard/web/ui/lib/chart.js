// Trends over time, drawn by uPlot, which is fetched when the first one is shown.

import { html, useEffect, useRef } from "/ui/vendor/preact.js";
import { t } from "./text.js";

let loading = null;

/** `series`: [{label, color: a custom property of the style sheet, values}]; `times`: Unix seconds. */
export function Chart({ title, times, series, unit = "" }) {
  const box = useRef(null);
  const plot = useRef(null);
  useEffect(() => {
    let gone = false;
    library().then((uPlot) => {
      if (gone || !box.current) return;
      const style = getComputedStyle(document.documentElement);
      const color = (name) => style.getPropertyValue(name).trim();
      const axis = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") } };
      plot.current = new uPlot({
        width: box.current.clientWidth, height: 180, legend: { live: true },
        axes: [axis, { ...axis, size: 60 }],
        series: [{}, ...series.map((one) => ({ label: one.label, stroke: color(one.color), width: 2, spanGaps: true }))],
      }, [times, ...series.map((one) => one.values)], box.current);
    });
    const watch = new ResizeObserver(() => plot.current && plot.current.setSize({ width: box.current.clientWidth, height: 180 }));
    watch.observe(box.current);
    return () => {
      gone = true;
      watch.disconnect();
      if (plot.current) plot.current.destroy();
      plot.current = null;
    };
  }, [title, series.length, times.length]);
  useEffect(() => {
    if (plot.current) plot.current.setData([times, ...series.map((one) => one.values)]);
  }, [times]);
  return html`<figure class="chart">
    <figcaption>${title}${unit && ` (${unit})`}</figcaption>
    <div ref=${box} role="img" aria-label=${told(title, series)}></div>
  </figure>`;
}

function told(title, series) {
  const last = series.map((one) => `${one.label} ${one.values.findLast((value) => value !== null) ?? t("unknown")}`);
  return t("{title}, at last: {last}", { title, last: last.join(", ") });
}

function library() {
  loading ||= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/ui/vendor/uplot.css" });
    const script = Object.assign(document.createElement("script"), { src: "/ui/vendor/uplot.js" });
    script.onload = () => resolve(window.uPlot);
    script.onerror = reject;
    document.head.append(style, script);
  });
  return loading;
}
