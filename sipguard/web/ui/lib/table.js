// A table of any length: only the rows in sight are in the page. Sorts, filters, chooses columns, exports.

import { html, useEffect, useMemo, useRef, useState } from "/ui/vendor/preact.js";
import { count, t } from "./text.js";
import { download } from "./ui.js";

const ROW_PX = 33;
const BEYOND = 12;

/**
 * `columns`: [{id, label, value(row), show(row), kind: "number" | undefined, hidden}]; `value` is what is sorted,
 * filtered and exported, `show` what is seen. `rows`: those that are loaded. `total`: how many there are, where known.
 * `name`: remembers the choice of columns. `open(row)`: double click, or Enter. `busy`: more are on their way.
 */
export function Table({ name, label, columns, rows, total, busy, open, empty, tools, rowKey = (row) => row.id }) {
  const [sort, setSort] = useState({ id: null, down: false });
  const [filter, setFilter] = useState("");
  const [hidden, setHidden] = useState(() => remembered(name, columns));
  const [chosen, setChosen] = useState(null);
  const shown = columns.filter((column) => !hidden.includes(column.id));
  const sorted = useMemo(
    () => arrange(rows, columns, sort, filter),
    [rows, rows.length, sort, filter, columns.map((column) => column.id).join()],
  );
  const hide = (id, on) => {
    const next = on ? hidden.filter((other) => other !== id) : [...hidden, id];
    setHidden(next);
    localStorage.setItem(`columns:${name}`, JSON.stringify(next));
  };

  return html`<section class="table" aria-busy=${busy ? "true" : "false"}>
    <div class="tools">
      <input type="search" placeholder=${t("Filter")} aria-label=${t("Filter rows of {label}", { label })}
        value=${filter} onInput=${(event) => setFilter(event.target.value)} />
      <span class="count" role="status">${tally(sorted.length, rows.length, total, busy)}</span>
      <span class="space"></span>
      ${tools}
      <details class="menu">
        <summary>${t("Columns")}</summary>
        <div>${columns.filter((column) => column.label).map((column) => html`<label>
          <input type="checkbox" checked=${!hidden.includes(column.id)}
            onChange=${(event) => hide(column.id, event.target.checked)} /> ${column.label}</label>`)}</div>
      </details>
      <button type="button" onClick=${() => download(`${name}.csv`, csv(sorted, shown))}>${t("Export")}</button>
    </div>
    <${Rows} label=${label} columns=${shown} rows=${sorted} sort=${sort} onSort=${setSort} open=${open}
      chosen=${chosen} choose=${setChosen} rowKey=${rowKey} />
    ${!busy && sorted.length === 0 && html`<p class="empty">${filter ? t("No row has that.") : empty || t("There is nothing here.")}</p>`}
  </section>`;
}

function Rows({ label, columns, rows, sort, onSort, open, chosen, choose, rowKey }) {
  const box = useRef(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const measure = () => setView({ top: box.current.scrollTop, height: box.current.clientHeight });
    const watch = new ResizeObserver(measure);
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(view.top / ROW_PX) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW_PX) + BEYOND);
  const at = rows.findIndex((row) => rowKey(row) === chosen);

  const key = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -rows.length, End: rows.length }[event.key];
    if (step) {
      event.preventDefault();
      const next = Math.min(rows.length - 1, Math.max(0, at + step));
      if (rows[next]) choose(rowKey(rows[next]));
      const top = next * ROW_PX;
      if (top < box.current.scrollTop) box.current.scrollTop = top;
      else if (top + 2 * ROW_PX > box.current.scrollTop + view.height) box.current.scrollTop = top + 2 * ROW_PX - view.height;
    } else if (event.key === "Enter" && at >= 0 && open && event.target === box.current) {
      open(rows[at]);
    }
  };

  return html`<div class="rows" ref=${box} tabindex="0" role="region" aria-label=${label} onKeyDown=${key}
      onScroll=${() => setView({ top: box.current.scrollTop, height: box.current.clientHeight })}>
    <table aria-rowcount=${rows.length + 1}>
      <thead><tr>${columns.map((column) => html`<${Heading} column=${column} sort=${sort} onSort=${onSort} />`)}</tr></thead>
      <tbody>
        ${first > 0 && html`<tr class="gap" aria-hidden="true"><td colspan=${columns.length}><${Gap} px=${first * ROW_PX} /></td></tr>`}
        ${rows.slice(first, last).map((row, index) => html`<tr key=${rowKey(row)} aria-rowindex=${first + index + 2}
            class=${rowKey(row) === chosen ? "chosen" : ""} onClick=${() => choose(rowKey(row))}
            onDblClick=${() => open && open(row)}>
          ${columns.map((column) => html`<td class=${column.kind || ""}>${column.show ? column.show(row) : written(column.value(row))}</td>`)}
        </tr>`)}
        ${last < rows.length && html`<tr class="gap" aria-hidden="true"><td colspan=${columns.length}><${Gap} px=${(rows.length - last) * ROW_PX} /></td></tr>`}
      </tbody>
    </table>
  </div>`;
}

function Gap({ px }) {
  const gap = useRef(null);
  useEffect(() => {
    gap.current.style.height = `${px}px`; // by script: a style attribute is not allowed to these pages
  }, [px]);
  return html`<div ref=${gap}></div>`;
}

function Heading({ column, sort, onSort }) {
  const mine = sort.id === column.id;
  const order = mine ? (sort.down ? "descending" : "ascending") : "none";
  if (!column.label) return html`<td></td>`; // a column of buttons
  return html`<th scope="col" class=${column.kind || ""} aria-sort=${order}>
    <button type="button" onClick=${() => onSort({ id: column.id, down: mine && !sort.down })}>
      ${column.label}<span aria-hidden="true">${mine ? (sort.down ? " ▾" : " ▴") : ""}</span>
    </button>
  </th>`;
}

const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function arrange(rows, columns, sort, filter) {
  const wanted = filter.trim().toLowerCase();
  let found = rows;
  if (wanted) {
    found = rows.filter((row) => columns.some((column) => written(column.value(row)).toLowerCase().includes(wanted)));
  }
  const by = columns.find((column) => column.id === sort.id);
  if (!by) return found;
  const sign = sort.down ? -1 : 1;
  const compare = (left, right) => {
    const [a, b] = [by.value(left), by.value(right)];
    if (a === null || b === null || a === undefined || b === undefined) {
      return (a === null || a === undefined) - (b === null || b === undefined);
    }
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : order.compare(a, b));
  };
  return [...found].sort(compare);
}

function tally(shown, loaded, total, busy) {
  const all = total ?? loaded;
  const some = shown === all ? count(all) : t("{some} of {all}", { some: count(shown), all: count(all) });
  return busy && loaded < all ? t("{some}, loading", { some }) : some;
}

function csv(rows, columns) {
  // A cell that a spreadsheet would take for a formula is written as text.
  const cell = (value) => {
    const text = written(value);
    const safe = /^[=+@\t\r-]/.test(text) && !/^-?[\d.]+$/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [columns.map((column) => cell(column.label)), ...rows.map((row) => columns.map((column) => cell(column.value(row))))];
  return `${lines.map((line) => line.join(",")).join("\r\n")}\r\n`;
}

const written = (value) => (value === null || value === undefined ? "" : String(value));

function remembered(name, columns) {
  const standard = columns.filter((column) => column.hidden).map((column) => column.id);
  try {
    return JSON.parse(localStorage.getItem(`columns:${name}`)) || standard;
  } catch {
    return standard;
  }
}
