// Sub-account management of an agent, or of the login's own account: the first level, or everything below.

import { html, useState } from "/ui/vendor/preact.js";
import { at, request } from "../lib/api.js";
import { Form } from "../lib/form.js";
import { useList } from "../lib/list.js";
import { go } from "../lib/router.js";
import { may } from "../lib/session.js";
import { STATE_COLUMN } from "../lib/shared.js";
import { limit, money, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Dialog, Failure, Head } from "../lib/ui.js";

const COLUMNS = [
  { id: "id", label: t("Account"), value: (row) => row.id, show: (row) => html`<a href=${`/accounts${at(row.id)}`}>${row.id}</a>` },
  { id: "name", label: t("Name"), value: (row) => row.name },
  { id: "category", label: t("Category"), value: (row) => t(row.category) },
  { id: "agent_id", label: t("Agent"), value: (row) => row.agent_id },
  { id: "balance", label: t("Balance"), kind: "number", value: (row) => row.balance_micros, show: (row) => money(row.balance_micros) },
  { id: "credit", label: t("Credit limit"), kind: "number", value: (row) => row.credit_limit_micros, show: (row) => money(row.credit_limit_micros) },
  { id: "currency", label: t("Currency"), value: (row) => row.currency },
  { id: "rate_table", label: t("Rate table"), value: (row) => row.rate_table_id },
  { id: "calls", label: t("Calls"), kind: "number", value: (row) => row.call_limit, show: (row) => limit(row.call_limit), hidden: true },
  { id: "cps", label: t("Calls per second"), kind: "number", value: (row) => row.cps_limit, show: (row) => limit(row.cps_limit), hidden: true },
  STATE_COLUMN,
  { id: "memo", label: t("Memo"), value: (row) => row.memo, hidden: true },
];

export default function Accounts({ query }) {
  const agent = query.agent || null;
  const scope = query.scope === "all" ? "all" : "direct";
  const [adding, setAdding] = useState(false);
  const { rows, busy, error, reload } = useList("/accounts", { agent_id: agent, scope, q: query.q });
  const href = (other) => `/accounts?${new URLSearchParams({ ...(agent && { agent }), ...(query.q && { q: query.q }), scope: other })}`;

  return html`
    <${Head} title=${agent ? t("Sub-accounts of {agent}", { agent }) : t("Accounts")} sub=${query.q && t("with “{q}”", query)}>
      <div class="segments" role="group" aria-label=${t("How far down")}>
        <a href=${href("direct")} aria-current=${scope === "direct" ? "true" : null}>${t("Direct")}</a>
        <a href=${href("all")} aria-current=${scope === "all" ? "true" : null}>${t("All")}</a>
      </div>
      ${agent && html`<a class="button" href=${`/accounts${at(agent)}`}>${t("The agent itself")}</a>`}
      ${may("account") && html`<button type="button" class="primary" onClick=${() => setAdding(true)}>${t("New account")}</button>`}
    </${Head}>
    <${Failure} error=${error} />
    <${Table} name="accounts" label=${t("Accounts")} columns=${COLUMNS} rows=${rows} busy=${busy}
      open=${(row) => go(row.category === "agent" ? `/accounts?agent=${encodeURIComponent(row.id)}` : `/accounts${at(row.id)}`)}
      empty=${t("No sub-accounts yet.")} />
    ${adding && html`<${NewAccount} agent=${agent} onClose=${(made) => { setAdding(false); if (made) reload(); }} />`}`;
}

function NewAccount({ agent, onClose }) {
  const fields = [
    { name: "id", label: t("Account id"), required: true, hint: t("Never changes. Letters, digits and . _ @ + -") },
    { name: "name", label: t("Name") },
    ...(agent ? [] : [{ name: "currency", label: t("Currency"), hint: t("Such as BDT; below an agent it is the agent's.") }]),
    { name: "rate_table_id", label: t("Rate table"), nullable: true },
    { name: "credit_limit_micros", label: t("Credit limit"), kind: "money" },
    { name: "call_limit", label: t("Concurrent calls"), kind: "number", hint: t("Empty: no limit. 0: none.") },
    { name: "cps_limit", label: t("Calls per second"), kind: "number" },
  ];
  const save = async (changed) => {
    const { data } = await request("POST", "/accounts", { body: { ...changed, ...(agent && { agent_id: agent }) } });
    onClose(data);
  };
  return html`<${Dialog} title=${agent ? t("New account below {agent}", { agent }) : t("New account")} onClose=${() => onClose(null)}>
    <${Form} fields=${fields} values=${{}} save=${save} verb=${t("Create")} onCancel=${() => onClose(null)} />
  </${Dialog}>`;
}
