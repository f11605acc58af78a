// Number sections of one account: which numbers it and all below may call, and call from.

import { html, useEffect, useState } from "/ui/vendor/preact.js";
import { pages, request } from "../../lib/api.js";
import { useGuard } from "../../lib/router.js";
import { may, session } from "../../lib/session.js";
import { number, t } from "../../lib/text.js";
import { Failure, useLoad } from "../../lib/ui.js";

const DIRECTIONS = { called: t("Numbers that are called"), calling: t("Numbers that are called from") };

export default function Sections({ account, path }) {
  const { data, error, reload } = useLoad((signal) => request("GET", `${path}/sections`, { signal }), path);
  const [sets, setSets] = useState([]);
  const [rules, setRules] = useState(null);
  const [failed, setFailed] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    pages("/destination-sets", { limit: 1000 }, (items) => setSets((before) => before.concat(items)), stop.signal).catch(() => {});
    return () => stop.abort();
  }, []);
  useEffect(() => setRules(data && structuredClone(data.data)), [data]);
  const changed = rules !== null && JSON.stringify(rules) !== JSON.stringify(data.data);
  useGuard((closing) => !changed || (!closing && confirm(t("Leave without saving what was changed?"))));
  if (error) return html`<${Failure} error=${error} />`;
  if (!rules) return null;
  const mayChange = may("account") && account.id !== session().account_id;
  const edit = (direction, next) => setRules({ ...rules, [direction]: next });
  const save = async () => {
    setFailed(null);
    try {
      await request("PUT", `${path}/sections`, { body: rules, etag: data.etag });
      reload();
    } catch (problem) {
      setFailed(problem);
    }
  };
  return html`
    <p class="sub">${t("The longest prefix that fits decides; at equal length block wins. Where a direction has any allow, all else is blocked. Every agent above has to allow, too.")}</p>
    <${Failure} error=${failed} />
    <div class="columns">${Object.entries(DIRECTIONS).map(([direction, label]) => html`<section class="box">
      <h2>${label}</h2>
      <ul class="rules">${rules[direction].map((rule, index) => html`<li class=${rule.action}>
        <strong>${t(rule.action)}</strong> ${rule.set_id ? t("set {set_id}", rule) : rule.prefix === "" ? t("every number") : number(rule.prefix)}
        ${mayChange && html` <button type="button" class="small" aria-label=${t("Remove {rule}", { rule: `${rule.action} ${rule.prefix ?? rule.set_id}` })}
          onClick=${() => edit(direction, rules[direction].filter((_, other) => other !== index))}>×</button>`}
      </li>`)}</ul>
      ${rules[direction].length === 0 && html`<p class="sub">${t("No rules: everything that those above allow.")}</p>`}
      ${mayChange && html`<${Add} direction=${direction} sets=${sets} add=${(rule) => edit(direction, [...rules[direction], rule])} />`}
    </section>`)}</div>
    ${mayChange && html`<div class="buttons">
      ${changed && html`<button type="button" onClick=${() => setRules(structuredClone(data.data))}>${t("As it was")}</button>`}
      <button type="button" class="primary" disabled=${!changed} onClick=${save}>${t("Save")}</button>
    </div>`}`;
}

function Add({ direction, sets, add }) {
  const submit = (event) => {
    event.preventDefault();
    const { action, prefix, set } = Object.fromEntries(new FormData(event.target));
    add({ action, prefix: set ? null : prefix.replace(/^\+|[\s-]/g, ""), set_id: set || null });
    event.target.reset();
  };
  return html`<form class="add" onSubmit=${submit}>
    <select name="action" aria-label=${t("Allow or block")}><option value="allow">${t("allow")}</option><option value="block">${t("block")}</option></select>
    <input name="prefix" placeholder="+880" aria-label=${t("Prefix, {direction}", { direction: DIRECTIONS[direction] })} />
    ${sets.length > 0 && html`<select name="set" aria-label=${t("Or a destination set")}><option value=""></option>${sets.map((one) => html`<option value=${one.id}>${one.id}</option>`)}</select>`}
    <button type="submit">${t("Add")}</button>
  </form>`;
}
