// One account: its parts are behind tabs, each with a path of its own.

import { html, useState } from "/ui/vendor/preact.js";
import { at, request } from "../../lib/api.js";
import { Form } from "../../lib/form.js";
import { go } from "../../lib/router.js";
import { may, session } from "../../lib/session.js";
import { limit, money, moment, t } from "../../lib/text.js";
import { Badge, Confirm, Dialog, Facts, Failure, Head, Lazy, Tabs, useLoad } from "../../lib/ui.js";

// `when`: for whom a part is; none: for everybody who sees the account.
const PARTS = [
  { id: "settings", label: t("Settings"), load: () => import("./settings.js") },
  { id: "authorizations", label: t("Authorizations"), load: () => import("./authorizations.js") },
  { id: "sections", label: t("Number sections"), load: () => import("./sections.js") },
  { id: "payments", label: t("Payments"), load: () => import("./payments.js") },
  { id: "statement", label: t("Statement"), load: () => import("./statement.js") },
  { id: "gateways", label: t("Gateways"), load: () => import("./gateways.js") },
  { id: "phones", label: t("Phones"), load: () => import("./phones.js") },
  { id: "cards", label: t("Cards"), load: () => import("./cards.js") },
  { id: "cdrs", label: t("Call records"), load: () => import("./cdrs.js") },
  { id: "thresholds", label: t("Alert thresholds"), load: () => import("./thresholds.js") },
  { id: "audit", label: t("Audit log"), load: () => import("./audit.js") },
];

export default function Account({ id, part = "settings", query }) {
  const path = `/accounts${at(id)}`;
  const { data, error, reload } = useLoad((signal) => request("GET", path, { signal }), path);
  if (error) return html`<${Failure} error=${error} />`;
  if (!data) return null;
  const account = data.data;
  const parts = PARTS.filter((one) => !one.when || one.when(account));
  const shown = parts.find((one) => one.id === part) || parts[0];
  return html`
    <${Head} title=${account.id} sub=${account.name}>
      <${Badge} kind=${account.locked ? "bad" : "good"}>${t(account.locked ? "locked" : "active")}</${Badge}>
      <${Actions} account=${account} path=${path} reload=${reload} />
      <a class="button" href=${`/calls?account=${encodeURIComponent(id)}`}>${t("Live calls")}</a>
      ${account.category === "agent" && html`<a class="button" href=${`/accounts?agent=${encodeURIComponent(id)}`}>${t("Sub-accounts")}</a>`}
    </${Head}>
    <${Facts} rows=${[
      [t("Category"), t(account.category)],
      account.agent_id && [t("Agent"), html`<a href=${`/accounts${at(account.agent_id)}`}>${account.agent_id}</a>`],
      [t("Balance"), money(account.balance_micros, account.currency)],
      [t("Credit limit"), money(account.credit_limit_micros, account.currency)],
      account.category === "agent" && [t("Earned"), money(account.revenue_micros, account.currency)],
      [t("Concurrent calls"), limit(account.call_limit)],
      [t("Rate table"), account.rate_table_id || "–"],
      account.valid_till && [t("Valid till"), moment(account.valid_till * 1000)],
    ]} />
    <${Tabs} current=${shown.id} tabs=${parts.map((one) => ({ id: one.id, label: one.label, href: `${path}/${one.id}` }))} />
    <${Lazy} key=${shown.id} load=${shown.load} query=${query} account=${account} etag=${data.etag} path=${path} reload=${reload} />`;
}

/** What is done to the account as a whole; each is named before it happens. */
function Actions({ account, path, reload }) {
  const [asked, setAsked] = useState(null);
  if (!may("account") || account.id === session().account_id) return null;
  const verb = account.locked ? "unlock" : "lock";
  const what = account.locked
    ? t("Calls of {id} and of all below it are judged again by their own limits.", account)
    : t("Calls of {id} and of everything below it are refused from now on.", account);
  const questions = {
    lock: { title: t(account.locked ? "Unlock {id}" : "Lock {id}", account), what, verb: t(account.locked ? "Unlock" : "Lock"), dangerous: !account.locked, run: () => request("POST", `${path}/${verb}`) },
    close: {
      title: t("Close {id}", account), what: t("{id} is closed for good: it calls no more and is not listed any more. Its records and its journal stay.", account), verb: t("Close"), dangerous: true,
      run: async () => {
        await request("DELETE", path);
        go("/accounts");
      },
    },
  };
  const done = (changed) => {
    setAsked(null);
    if (changed && asked !== "close") reload();
  };
  return html`
    <button type="button" onClick=${() => setAsked("lock")}>${questions.lock.verb}</button>
    <button type="button" onClick=${() => setAsked("move")}>${t("Move")}</button>
    <button type="button" onClick=${() => setAsked("close")}>${t("Close")}</button>
    ${asked === "move" ? html`<${Move} account=${account} path=${path} onClose=${done} />` : asked && html`<${Confirm} ...${questions[asked]} onClose=${done} />`}`;
}

function Move({ account, path, onClose }) {
  const save = async (changed, all) => {
    await request("POST", `${path}/move`, { body: { agent_id: all.agent_id, ...(all.rate_table_id && { rate_table_id: all.rate_table_id }) }, etag: null });
    onClose(true);
  };
  return html`<${Dialog} title=${t("Move {id}", account)} onClose=${() => onClose(false)}>
    <p>${t("{id} and everything below it hang under another agent from then on.", account)}</p>
    <${Form} fields=${[
      { name: "agent_id", label: t("Under which agent"), nullable: true, hint: t("Empty: directly under you.") },
      { name: "rate_table_id", label: t("Rate table"), nullable: true, hint: t("Needed where it bought by a table of its agent so far.") },
    ]} values=${{}} save=${save} verb=${t("Move")} onCancel=${() => onClose(false)} />
  </${Dialog}>`;
}
