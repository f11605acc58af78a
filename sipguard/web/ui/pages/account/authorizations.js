// The eight authorizations of one account: granted, left from above, and in effect.

import { html, useEffect, useState } from "/ui/vendor/preact.js";
import { get, request } from "../../lib/api.js";
import { AUTHORIZATIONS, may, session } from "../../lib/session.js";
import { t } from "../../lib/text.js";
import { Badge, Failure, useLoad } from "../../lib/ui.js";

const NAMES = {
  account: t("Add, delete, modify accounts"), phone: t("Add, delete, modify phones"), card: t("Add, delete, modify phone cards"), gateway: t("Add, delete gateways"),
  gateway_information: t("Modify gateway information"), gateway_capacity: t("Modify gateway capacity"), own_payment: t("Payment for this account"), sub_payment: t("Payment for sub-accounts"),
};

export default function Authorizations({ account, path }) {
  const { data, error, reload } = useLoad((signal) => request("GET", `${path}/authorizations`, { signal }), path);
  const templates = useLoad((signal) => get("/authorization-templates", null, signal), "templates");
  const [wanted, setWanted] = useState(null);
  const [failed, setFailed] = useState(null);
  const held = data && data.data;
  useEffect(() => setWanted(held && new Set(held.granted)), [held]);
  if (error) return html`<${Failure} error=${error} />`;
  if (!held || !wanted) return null;
  const mayGrant = may("account") && account.id !== session().account_id;
  const changed = held.granted.length !== wanted.size || held.granted.some((one) => !wanted.has(one));
  const toggle = (one, on) => {
    const next = new Set(wanted);
    if (on) next.add(one);
    else next.delete(one);
    setWanted(next);
  };
  const save = async (event) => {
    event.preventDefault();
    setFailed(null);
    try {
      await request("PUT", `${path}/authorizations`, { body: { authorizations: [...wanted] }, etag: data.etag });
      reload();
    } catch (problem) {
      setFailed(problem);
    }
  };
  return html`<form class="grants" onSubmit=${save}>
    <div class="rows plain"><table>
      <caption class="unseen">${t("Authorizations")}</caption>
      <thead><tr><th scope="col">${t("Nr.")}</th><th scope="col">${t("Authorization")}</th><th scope="col">${t("Granted")}</th><th scope="col">${t("From above")}</th><th scope="col">${t("In effect")}</th></tr></thead>
      <tbody>${AUTHORIZATIONS.map((one, index) => html`<tr>
        <td class="number">${index + 1}</td>
        <td><label for=${`grant-${one}`}>${NAMES[one]}</label></td>
        <td><input id=${`grant-${one}`} type="checkbox" checked=${wanted.has(one)} disabled=${!mayGrant || (!wanted.has(one) && !may(one))} onChange=${(event) => toggle(one, event.target.checked)} /></td>
        <td>${yes(held.inherited.includes(one))}</td>
        <td>${yes(held.effective.includes(one))}</td>
      </tr>`)}</tbody>
    </table></div>
    <${Failure} error=${failed} />
    ${mayGrant && html`<div class="buttons">
      ${templates.data && html`<label>${t("Template")} <select onChange=${(event) => {
        const found = templates.data.items.find((one) => one.id === event.target.value);
        if (found) setWanted(new Set(found.authorizations));
      }}><option value=""></option>${templates.data.items.map((one) => html`<option value=${one.id}>${one.id.replaceAll("_", " ")}</option>`)}</select></label>`}
      <button type="submit" class="primary" disabled=${!changed}>${t("Grant just these")}</button>
    </div>`}
  </form>`;
}

const yes = (value) => (value ? html`<${Badge} kind="good">${t("yes")}</${Badge}>` : html`<${Badge}>${t("no")}</${Badge}>`);
