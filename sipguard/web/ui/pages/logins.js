// Logins: who may sign in, as what.

import { html } from "/ui/vendor/preact.js";
import { at, request } from "../lib/api.js";
import { Crud } from "../lib/crud.js";
import { isAdministrator, may, session } from "../lib/session.js";
import { STATE_COLUMN } from "../lib/shared.js";
import { moment, t } from "../lib/text.js";
import { Head } from "../lib/ui.js";

const ROLES = { administrator: t("Administrator"), support: t("Support"), viewer: t("Viewer"), account: t("Account") };
const COLUMNS = [
  { id: "username", label: t("Login"), value: (row) => row.username },
  { id: "role", label: t("Role"), value: (row) => ROLES[row.role] },
  { id: "account", label: t("Account"), value: (row) => row.account_id, show: (row) => row.account_id && html`<a href=${`/accounts${at(row.account_id)}`}>${row.account_id}</a>` },
  { id: "totp", label: t("Second factor"), value: (row) => t(row.totp ? "yes" : "no") },
  { id: "last", label: t("Last signed in"), value: (row) => row.last_sign_in_ms, show: (row) => moment(row.last_sign_in_ms) },
  STATE_COLUMN,
];

export default function Logins() {
  const allowed = may("account");
  const roles = isAdministrator() ? Object.entries(ROLES) : [["account", ROLES.account]];
  const fresh = [
    { name: "username", label: t("Login"), required: true },
    { name: "role", label: t("Role"), kind: "choice", choices: roles },
    { name: "account_id", label: t("Account"), nullable: true, hint: t("Of role account alone: what it sees is this account and all below.") },
    { name: "password", label: t("Password"), kind: "password", required: true, autocomplete: "new-password", hint: t("At least 10 characters. It has to be changed at the first sign-in.") },
  ];
  const start = { role: "account" };
  const reset = async (item, done) => {
    const password = prompt(t("A new password for {username}, to be changed at the next sign-in:", item));
    if (password === null) return;
    try {
      await request("PUT", `/logins${at(item.username)}/password`, { body: { password, must_change: true }, etag: null });
      done(true);
    } catch (error) {
      alert(error.message);
    }
  };
  return html`<${Head} title=${t("Logins")} />
    <${Crud} name="logins" label=${t("Logins")} noun=${t("login")} path="/logins" columns=${COLUMNS} id=${(row) => row.username} start=${start} fresh=${allowed && fresh}
      fields=${allowed ? (item) => [{ name: "locked", label: t("Locked"), kind: "switch", disabled: item.username === session().username }] : null} removable=${allowed}
      more=${(item, done) => allowed && item.username !== session().username && html`<button type="button" onClick=${() => reset(item, done)}>${t("New password")}</button>`} />`;
}
