// Phones, of one account or of all in scope.

import { html } from "/ui/vendor/preact.js";
import { at, request } from "./api.js";
import { Crud } from "./crud.js";
import { may } from "./session.js";
import { REWRITE } from "./shared.js";
import { limit, t } from "./text.js";
import { Badge, Facts } from "./ui.js";

const LOCKS = [["none", t("none")], ["outgoing", t("outgoing calls")], ["incoming", t("incoming calls")], ["all", t("all calls")]];
const barred = (row) => LOCKS.find(([lock]) => lock === row.lock)[1];

const COLUMNS = [
  { id: "id", label: t("Phone"), value: (row) => row.id },
  { id: "account", label: t("Account"), value: (row) => row.account_id, show: (row) => html`<a href=${`/accounts${at(row.account_id)}`}>${row.account_id}</a>` },
  { id: "username", label: t("User"), value: (row) => row.username },
  { id: "numbers", label: t("Numbers"), value: (row) => row.numbers.join(" ") },
  { id: "lines", label: t("Lines"), kind: "number", value: (row) => row.call_limit, show: (row) => limit(row.call_limit) },
  { id: "lock", label: t("Lock"), value: barred, show: (row) => html`<${Badge} kind=${row.lock === "none" ? "good" : "bad"}>${barred(row)}</${Badge}>` },
  { id: "sources", label: t("From networks"), value: (row) => row.sources.join(" "), hidden: true },
];

const COMMON = [
  { name: "numbers", label: t("Numbers"), kind: "lines", hint: t("One a line, international digits; the first is what it calls from.") },
  { name: "sources", label: t("From networks"), kind: "lines", hint: t("Empty: from anywhere.") },
  { name: "country_code", label: t("Country code"), nullable: true },
  { name: "national_prefix", label: t("National prefix"), nullable: true },
  REWRITE,
  { name: "call_limit", label: t("Lines"), kind: "number", hint: t("Empty: no limit. 0: none.") },
  { name: "cps_limit", label: t("Calls per second"), kind: "number" },
  { name: "contact_limit", label: t("Contacts at a time"), kind: "number" },
  { name: "caller_check", label: t("A From that is not its own number"), kind: "choice", choices: [["force", t("is replaced by its first number")], ["refuse", t("is refused")]] },
  { name: "lock", label: t("Lock"), kind: "choice", choices: LOCKS, hint: t("Emergency calls pass. With all calls locked it cannot register either.") },
];

const NEW = [
  { name: "id", label: t("Phone id"), required: true },
  { name: "username", label: t("User"), nullable: true, hint: t("Empty: its id.") },
  { name: "password", label: t("Password"), kind: "password", nullable: true, autocomplete: "new-password", hint: t("Empty: one is made up, and told once.") },
  { name: "numbers", label: t("Numbers"), kind: "lines", hint: t("One a line, international digits.") },
  { name: "call_limit", label: t("Lines"), kind: "number" },
];

const told = (data) => html`<p>${t("Type this into the phone. It is not shown again.")}</p>
  <${Facts} rows=${[[t("User"), data.username], data.password && [t("Password"), html`<code>${data.password}</code>`]]} />`;

export function Phones({ accountId }) {
  const allowed = may("phone");
  const fresh = allowed && [...(accountId ? [] : [{ name: "account_id", label: t("Account"), required: true }]), ...NEW];
  const again = async (item, done) => {
    const { data } = await request("POST", `/phones${at(item.id)}/password`, { body: {} });
    alert(`${t("The new password of {username}:", data)} ${data.password}`);
    done(true);
  };
  return html`<${Crud} name="phones" label=${t("Phones")} noun=${t("phone")} path="/phones" params=${{ account_id: accountId }} columns=${COLUMNS}
    start=${accountId ? { account_id: accountId } : {}} fresh=${fresh} fields=${allowed ? () => COMMON : null} removable=${allowed} made=${told}
    more=${(item, done) => allowed && html`<button type="button" onClick=${() => again(item, done)}>${t("New password")}</button>`}
    empty=${t("No phones yet.")} />`;
}
