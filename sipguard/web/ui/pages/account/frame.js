// One account: its parts are behind tabs, each with a path of its own.

import { html } from "/ui/vendor/preact.js";
import { at, request } from "../../lib/api.js";
import { limit, money, moment, t } from "../../lib/text.js";
import { Badge, Facts, Failure, Head, Lazy, Tabs, useLoad } from "../../lib/ui.js";

// `when`: for whom a part is; none: for everybody who sees the account.
const PARTS = [
  { id: "settings", label: t("Settings"), load: () => import("./settings.js") },
  { id: "payments", label: t("Payments"), load: () => import("./payments.js") },
  { id: "statement", label: t("Statement"), load: () => import("./statement.js") },
  { id: "phones", label: t("Phones"), load: () => import("./phones.js") },
  { id: "cdrs", label: t("Call records"), load: () => import("./cdrs.js") },
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
