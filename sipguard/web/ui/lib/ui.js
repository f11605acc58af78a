// Small parts that every page is made of.

import { html, useEffect, useRef, useState } from "/ui/vendor/preact.js";
import { t } from "./text.js";

/** Load something when the page opens and whenever `key` changes: {data, error, loading, reload}. */
export function useLoad(load, key) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setState((before) => ({ ...before, loading: true, error: null }));
    load(stop.signal).then(
      (data) => setState({ data, error: null, loading: false }),
      (error) => stop.signal.aborted || setState({ data: null, error, loading: false }),
    );
    return () => stop.abort();
  }, [key, round]);
  return { ...state, reload: () => setRound((last) => last + 1) };
}

/** What went wrong, with all of its parts. */
export function Failure({ error }) {
  if (!error) return null;
  return html`<div class="failure" role="alert">
    <p>${error.message}</p>
    ${error.standingInTheWay && error.standingInTheWay.length > 0 && html`<ul>
      ${error.standingInTheWay.map((one) => html`<li>${one}</li>`)}
    </ul>`}
  </div>`;
}

/** A page's head: its name, and what can be done here. */
export function Head({ title, sub, children }) {
  useEffect(() => {
    document.title = `${title} · sipguard`;
  }, [title]);
  return html`<header class="head">
    <div><h1 tabindex="-1">${title}</h1>${sub && html`<p class="sub">${sub}</p>`}</div>
    <div class="actions">${children}</div>
  </header>`;
}

/** A state in a word, told by more than its colour. */
export const Badge = ({ kind, children }) => html`<span class=${`badge ${kind}`}>${children}</span>`;

/** Links to parts of one thing. `tabs`: [{id, label, href}]. */
export function Tabs({ tabs, current }) {
  return html`<nav class="tabs" aria-label=${t("Parts")}>
    ${tabs.map(({ id, label, href }) => html`<a href=${href} aria-current=${id === current ? "page" : null}>${label}</a>`)}
  </nav>`;
}

/** Name and value, one below the other. `rows`: [[name, value]]. */
export function Facts({ rows }) {
  return html`<dl class="facts">
    ${rows.filter(Boolean).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

/** A dialog that holds the keyboard until it is closed. */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before && before.focus && before.focus();
  }, []);
  return html`<dialog ref=${dialog} onClose=${onClose} aria-label=${title}>
    <h2>${title}</h2>
    ${children}
  </dialog>`;
}

/**
 * Ask before something is done. `what` names what will happen, in a sentence; `run` does it and may fail.
 */
export function Confirm({ title, what, verb, dangerous, run, onClose }) {
  const [state, setState] = useState({ busy: false, error: null });
  const confirmed = async () => {
    setState({ busy: true, error: null });
    try {
      await run();
      onClose(true);
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return html`<${Dialog} title=${title} onClose=${() => onClose(false)}>
    <p>${what}</p>
    <${Failure} error=${state.error} />
    <div class="buttons">
      <button type="button" onClick=${() => onClose(false)}>${t("Cancel")}</button>
      <button type="button" class=${dangerous ? "danger" : "primary"} disabled=${state.busy} onClick=${confirmed}>
        ${verb}
      </button>
    </div>
  </${Dialog}>`;
}

/** A page whose code is fetched when it is first shown. */
export function Lazy({ load, ...given }) {
  const [Page, setPage] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    let current = true;
    load().then((module) => current && setPage(() => module.default), setError);
    return () => { current = false; };
  }, [load]);
  if (error) return html`<${Failure} error=${error} />`;
  return Page ? html`<${Page} ...${given} />` : null;
}

/** Save text as a file. */
export function download(name, text, type = "text/csv") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
