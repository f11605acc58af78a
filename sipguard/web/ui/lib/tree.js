// The navigation tree of agents: loads what is below one when it is opened; only the rows in sight are in the page.

import { html, useEffect, useRef, useState } from "/ui/vendor/preact.js";
import { at, get } from "./api.js";
import { go } from "./router.js";
import { count, t } from "./text.js";
import { Failure } from "./ui.js";

const ROW_PX = 28;
const BEYOND = 10;
const ROOT = "";

/** `current`: id of the account that the page is about. Double click or Enter opens its sub-account management. */
export function Tree({ current, version }) {
  const [below, setBelow] = useState({}); // id -> {items, cursor}
  const [open, setOpen] = useState(new Set([ROOT]));
  const [chosen, setChosen] = useState(current || null);
  const [error, setError] = useState(null);
  const [search, setSearch] = useState("");
  const box = useRef(null);
  const [view, setView] = useState({ top: 0, height: 600 });

  const load = async (id, cursor = null) => {
    try {
      const page = await get("/tree", { agent_id: id || null, cursor, limit: 1000 });
      setBelow((before) => ({
        ...before,
        [id]: { items: cursor ? [...(before[id]?.items || []), ...page.items] : page.items, cursor: page.next_cursor },
      }));
    } catch (failed) {
      setError(failed);
    }
  };
  useEffect(() => {
    for (const id of open) load(id);
  }, [version]);
  useEffect(() => {
    const watch = new ResizeObserver(() => setView({ top: box.current.scrollTop, height: box.current.clientHeight }));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  useEffect(() => setChosen(current || null), [current]);

  const rows = flat(below, open, ROOT, 0, []);
  const first = Math.max(0, Math.floor(view.top / ROW_PX) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW_PX) + BEYOND);
  useEffect(() => {
    for (const row of rows.slice(first, last)) if (row.more) load(row.parent, row.more);
  }, [first, last, rows.length]);

  const toggle = (row, want = !open.has(row.id)) => {
    const next = new Set(open);
    if (want) next.add(row.id);
    else next.delete(row.id);
    if (want && !below[row.id]) load(row.id);
    setOpen(next);
  };
  const key = (event) => {
    const index = rows.findIndex((row) => row.id === chosen);
    const row = rows[index];
    const to = (next) => {
      if (!rows[next] || rows[next].more) return;
      setChosen(rows[next].id);
      const top = next * ROW_PX;
      if (top < box.current.scrollTop) box.current.scrollTop = top;
      else if (top + ROW_PX > box.current.scrollTop + view.height) box.current.scrollTop = top + ROW_PX - view.height;
    };
    const act = {
      ArrowDown: () => to(index + 1),
      ArrowUp: () => to(Math.max(0, index - 1)),
      Home: () => to(0),
      End: () => to(rows.length - 1),
      ArrowRight: () => row && row.has_children && (open.has(row.id) ? to(index + 1) : toggle(row, true)),
      ArrowLeft: () => row && (open.has(row.id) ? toggle(row, false) : to(rows.findIndex((other) => other.id === row.parent))),
      Enter: () => row && manage(row),
      " ": () => row && row.has_children && toggle(row),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  return html`<section class="tree">
    <form class="search" role="search" onSubmit=${(event) => { event.preventDefault(); go(`/accounts?q=${encodeURIComponent(search)}&scope=all`); }}>
      <input type="search" placeholder=${t("Find an account")} aria-label=${t("Find an account")} value=${search}
        onInput=${(event) => setSearch(event.target.value)} />
    </form>
    <${Failure} error=${error} />
    <div class="nodes" ref=${box} tabindex="0" role="tree" aria-label=${t("Agents and accounts")} onKeyDown=${key}
        aria-activedescendant=${rows.slice(first, last).some((row) => row.id === chosen) ? `node-${chosen}` : null}
        onScroll=${() => setView({ top: box.current.scrollTop, height: box.current.clientHeight })}>
      <${Spacer} px=${first * ROW_PX} />
      ${rows.slice(first, last).map((row) => row.more
        ? html`<div class="node more" key=${`${row.parent} more`} role="none">${t("more")} …</div>`
        : html`<${Node} key=${row.id} row=${row} open=${open.has(row.id)} chosen=${row.id === chosen}
            choose=${() => setChosen(row.id)} toggle=${() => toggle(row)} />`)}
      <${Spacer} px=${(rows.length - last) * ROW_PX} />
    </div>
  </section>`;
}

function Node({ row, open, chosen, choose, toggle }) {
  const indent = useRef(null);
  useEffect(() => {
    indent.current.style.paddingInlineStart = `${8 + 16 * row.depth}px`;
  }, [row.depth]);
  const arrow = (event) => {
    event.stopPropagation();
    toggle();
  };
  return html`<div class=${`node ${chosen ? "chosen" : ""} ${row.locked ? "locked" : ""}`} id=${`node-${row.id}`} ref=${indent}
      role="treeitem" aria-level=${row.depth + 1} aria-selected=${chosen ? "true" : "false"}
      aria-expanded=${row.has_children ? String(open) : null} onClick=${choose} onDblClick=${() => manage(row)}>
    <span class="arrow" aria-hidden="true" onClick=${row.has_children ? arrow : null}>${row.has_children ? (open ? "▾" : "▸") : ""}</span>
    <a href=${`/accounts${at(row.id)}`} tabindex="-1" title=${row.name}>${row.id}</a>
    ${row.direct_count > 0 && html`<span class="count">${count(row.direct_count)}</span>`}
  </div>`;
}

function Spacer({ px }) {
  const spacer = useRef(null);
  useEffect(() => {
    spacer.current.style.height = `${px}px`;
  }, [px]);
  return html`<div ref=${spacer} role="none"></div>`;
}

const manage = (row) => go(row.has_children ? `/accounts?agent=${encodeURIComponent(row.id)}` : `/accounts${at(row.id)}`);

function flat(below, open, id, depth, rows) {
  const level = below[id];
  if (!level) return rows;
  for (const item of level.items) {
    rows.push({ ...item, depth, parent: id });
    if (open.has(item.id)) flat(below, open, item.id, depth + 1, rows);
  }
  if (level.cursor) rows.push({ more: level.cursor, parent: id, depth });
  return rows;
}
