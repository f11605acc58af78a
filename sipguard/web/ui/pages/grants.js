// Who holds which authorization and has not used it; what was granted beyond what counts.

import { html, useState } from "/ui/vendor/preact.js";
import { at } from "../lib/api.js";
import { useList } from "../lib/list.js";
import { moment, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Failure, Head } from "../lib/ui.js";

const link = (id) => html`<a href=${`/accounts${at(id)}/authorizations`}>${id}</a>`;

export default function Grants() {
  const [unused, setUnused] = useState("");
  const holders = useList("/authorizations", { unused_days: unused });
  const excesses = useList("/authorizations/excesses");
  const rows = holders.rows.flatMap((one) => one.grants.map((grant) => ({ id: `${one.account_id} ${grant.authorization}`, account: one.account_id, name: one.name, ...grant })));
  const columns = [
    { id: "account", label: t("Account"), value: (row) => row.account, show: (row) => link(row.account) },
    { id: "name", label: t("Name"), value: (row) => row.name },
    { id: "authorization", label: t("Authorization"), value: (row) => t(row.authorization.replaceAll("_", " ")) },
    { id: "used", label: t("Last used"), value: (row) => row.used_ms, show: (row) => (row.used_ms ? moment(row.used_ms) : t("never")) },
    { id: "effective", label: t("In effect"), value: (row) => t(row.effective ? "yes" : "no") },
  ];
  const beyond = [
    { id: "account", label: t("Account"), value: (row) => row.account_id, show: (row) => link(row.account_id) },
    { id: "agent", label: t("More than its agent"), value: (row) => row.agent_id, show: (row) => link(row.agent_id) },
    { id: "authorizations", label: t("Authorizations"), value: (row) => row.authorizations.map((one) => t(one.replaceAll("_", " "))).join(", ") },
    { id: "limits", label: t("Limits"), value: (row) => row.limits.map((one) => t(one.replaceAll("_", " "))).join(", ") },
  ];
  const choice = html`<select aria-label=${t("Which")} value=${unused} onChange=${(event) => setUnused(event.target.value)}>
    <option value="">${t("all")}</option>${[7, 30, 90, 365].map((days) => html`<option value=${days}>${t("not used for {days} days", { days })}</option>`)}</select>`;
  return html`<${Head} title=${t("Authorizations")} /><${Failure} error=${holders.error || excesses.error} />
    <${Table} name="holders" label=${t("Who holds what")} columns=${columns} rows=${rows} busy=${holders.busy} tools=${choice} empty=${t("Nobody holds any.")} />
    <${Table} name="excesses" label=${t("Stored beyond what counts")} columns=${beyond} rows=${excesses.rows} busy=${excesses.busy} rowKey=${(row) => row.account_id} empty=${t("No account exceeds its agent.")} />`;
}
