// One account: its parts are behind tabs, each with a path of its own.

import { html } from "/ui/vendor/preact.js";
import { at, request } from "../lib/api.js";
import { Form } from "../lib/form.js";
import { may } from "../lib/session.js";
import { limit, money, moment, t } from "../lib/text.js";
import { Badge, Facts, Failure, Head, Tabs, useLoad } from "../lib/ui.js";

const PARTS = [
  { id: "settings", label: t("Settings"), Part: Settings },
];

export default function Account({ id, part = "settings" }) {
  const path = `/accounts${at(id)}`;
  const { data, error, reload } = useLoad((signal) => request("GET", path, { signal }), path);
  if (error) return html`<${Failure} error=${error} />`;
  if (!data) return null;
  const account = data.data;
  const { Part } = PARTS.find((one) => one.id === part) || PARTS[0];
  return html`
    <${Head} title=${account.id} sub=${account.name}>
      <${Badge} kind=${account.locked ? "bad" : "good"}>${t(account.locked ? "locked" : "active")}</${Badge}>
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
    <${Tabs} current=${part} tabs=${PARTS.map((one) => ({ id: one.id, label: one.label, href: `${path}/${one.id}` }))} />
    <${Part} account=${account} etag=${data.etag} path=${path} reload=${reload} />`;
}

function Settings({ account, etag, path, reload }) {
  const disabled = !may("account") || account.agent_id === undefined;
  const fields = [
    { name: "name", label: t("Name"), required: true },
    { name: "memo", label: t("Memo") },
    { name: "rate_table_id", label: t("Rate table"), nullable: true, hint: t("The table that the account buys by.") },
    { name: "credit_limit_micros", label: t("Credit limit"), kind: "money", required: true, hint: t("How far below zero the balance may go.") },
    { name: "call_limit", label: t("Concurrent calls"), kind: "number", hint: t("Of the account and all below it. Empty: no limit. 0: none.") },
    { name: "cps_limit", label: t("Calls per second"), kind: "number" },
    { name: "max_call_seconds", label: t("Longest call, seconds"), kind: "number" },
    { name: "max_rate_micros", label: t("Highest price per minute"), kind: "money" },
    { name: "valid_from", label: t("Valid from"), kind: "moment" },
    { name: "valid_till", label: t("Valid till"), kind: "moment" },
    { name: "time_zone", label: t("Time zone"), required: true, hint: t("In which the hours and days of its rates are read.") },
    { name: "locked", label: t("Locked"), kind: "switch", hint: t("A locked agent stops its whole subtree at once.") },
  ].map((field) => ({ ...field, disabled }));
  const save = async (changed) => {
    await request("PATCH", path, { body: changed, etag });
    reload();
  };
  return html`<${Form} key=${etag} fields=${fields} values=${account} save=${save} />`;
}
