// One's own login: password, second factor, where one is signed in, API keys.

import { html, useState } from "/ui/vendor/preact.js";
import { at, get, keepToken, request } from "../lib/api.js";
import { Form } from "../lib/form.js";
import { session } from "../lib/session.js";
import { moment, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Badge, Facts, Failure, Head, useLoad } from "../lib/ui.js";

export default function Me() {
  const who = session();
  return html`
    <${Head} title=${who.username} sub=${t(who.role)} />
    ${who.must_change && html`<p class="failure">${t("Set a password of your own first; until then nothing else can be done.")}</p>`}
    ${who.authorizations.length > 0 && html`<${Facts} rows=${[[t("Authorizations"), who.authorizations.map((one) => t(one.replaceAll("_", " "))).join(", ")]]} />`}
    <${Password} />
    ${!who.must_change && html`<${Factor} /><${Sessions} /><${Keys} /><${SignIns} />`}`;
}

function Password() {
  const [done, setDone] = useState(0);
  const save = async (changed, all) => {
    if (all.password !== all.again) throw Object.assign(new Error(), { problems: [{ field: "again", message: t("The two are not the same.") }] });
    const { data } = await request("PUT", "/session/password", { body: { current_password: all.current_password, password: all.password } });
    renewed(data);
    setDone(done + 1);
  };
  const fields = [
    { name: "current_password", label: t("Present password"), kind: "password", required: true, autocomplete: "current-password" },
    { name: "password", label: t("New password"), kind: "password", required: true, autocomplete: "new-password", hint: t("At least 10 characters. Every other session is signed out.") },
    { name: "again", label: t("New password again"), kind: "password", required: true, autocomplete: "new-password" },
  ];
  return html`<section class="box"><h2>${t("Password")}</h2>
    ${done > 0 && html`<p role="status"><${Badge} kind="good">${t("The password was changed.")}</${Badge}></p>`}
    <${Form} key=${done} fields=${fields} values=${{}} save=${save} verb=${t("Change the password")} /></section>`;
}

function Factor() {
  const [state, setState] = useState({ step: session().totp ? "on" : "off" });
  const begin = async (changed, all) => {
    const { data } = await request("POST", "/session/totp", { body: { current_password: all.current_password } });
    setState({ step: "confirm", ...data });
  };
  const confirm = async (changed, all) => {
    const { data } = await request("PUT", "/session/totp", { body: { code: all.code } });
    renewed(data.session);
    setState({ step: "codes", codes: data.recovery_codes });
  };
  const remove = async (changed, all) => {
    const { data } = await request("POST", "/session/totp/removal", { body: { current_password: all.current_password } });
    renewed(data);
    setState({ step: "off" });
  };
  const password = [{ name: "current_password", label: t("Present password"), kind: "password", required: true, autocomplete: "current-password" }];
  const parts = {
    off: () => html`<p>${t("A code of an authenticator beside the password keeps out who has guessed it.")}</p><${Form} key="off" fields=${password} values=${{}} save=${begin} verb=${t("Set up")} />`,
    confirm: () => html`<p>${t("Add this secret to your authenticator, then give a code of it.")}</p><p><code>${state.secret}</code> · <a href=${state.uri}>${t("Open the authenticator")}</a></p>
      <${Form} key="confirm" fields=${[{ name: "code", label: t("Code"), required: true, autocomplete: "one-time-code" }]} values=${{}} save=${confirm} verb=${t("Confirm")} />`,
    codes: () => html`<p>${t("It is in force. Keep these codes, for when the authenticator is lost; they are not shown again.")}</p><pre>${state.codes.join("\n")}</pre>`,
    on: () => html`<p><${Badge} kind="good">${t("in force")}</${Badge}></p><${Form} key="on" fields=${password} values=${{}} save=${remove} verb=${t("Remove it")} />`,
  };
  return html`<section class="box"><h2>${t("Second factor")}</h2>${parts[state.step]()}</section>`;
}

function Sessions() {
  const { data, error, reload } = useLoad((signal) => get("/session/sessions", null, signal), "sessions");
  const columns = [
    { id: "source", label: t("From"), value: (row) => row.source },
    { id: "seen", label: t("Last used"), value: (row) => row.seen_ms, show: (row) => moment(row.seen_ms) },
    { id: "agent", label: t("Browser"), value: (row) => row.user_agent },
    { id: "act", label: "", value: () => "", show: (row) => (row.current ? html`<${Badge} kind="good">${t("this one")}</${Badge}>`
      : html`<button type="button" class="small" onClick=${() => request("DELETE", `/session/sessions${at(row.id)}`).then(reload)}>${t("Sign out")}</button>`) },
  ];
  return html`<${Failure} error=${error} /><${Table} name="sessions" label=${t("Where you are signed in")} columns=${columns} rows=${data || []} busy=${!data && !error} />`;
}

function Keys() {
  const path = `/logins${at(session().username)}/keys`;
  const { data, error, reload } = useLoad((signal) => get(path, null, signal), path);
  const [told, setTold] = useState(null);
  const create = async (changed, all) => {
    const made = await request("POST", path, { body: { name: all.name, read_only: all.read_only } });
    setTold(made.data);
    reload();
  };
  const columns = [
    { id: "name", label: t("API key"), value: (row) => row.name },
    { id: "id", label: t("Id"), value: (row) => row.id },
    { id: "read", label: t("May"), value: (row) => t(row.read_only ? "read" : "read and change") },
    { id: "expires", label: t("Till"), value: (row) => row.expires_ms, show: (row) => moment(row.expires_ms) },
    { id: "seen", label: t("Last used"), value: (row) => row.seen_ms, show: (row) => moment(row.seen_ms) },
    { id: "act", label: "", value: () => "", show: (row) => html`<button type="button" class="small" onClick=${() => request("DELETE", `${path}${at(row.id)}`).then(reload)}>${t("Revoke")}</button>` },
  ];
  const fields = [{ name: "name", label: t("What it is for"), required: true }, { name: "read_only", label: t("May only read"), kind: "switch" }];
  return html`<section class="box"><h2>${t("API keys")}</h2>
      ${told && html`<p role="status">${t("The new key, shown this once:")} <code>${told.text || told.key}</code></p>`}
      <${Form} key=${told ? told.id : "new"} fields=${fields} values=${{ read_only: true }} save=${create} verb=${t("Make a key")} /></section>
    <${Failure} error=${error} /><${Table} name="keys" label=${t("API keys")} columns=${columns} rows=${data || []} busy=${!data && !error} empty=${t("No keys.")} />`;
}

function SignIns() {
  const { data, error } = useLoad((signal) => get("/session/sign-ins", null, signal), "sign-ins");
  const columns = [
    { id: "at", label: t("Time"), value: (row) => row.at_ms, show: (row) => moment(row.at_ms) },
    { id: "source", label: t("From"), value: (row) => row.source },
    { id: "outcome", label: t("Outcome"), value: (row) => t(row.outcome), show: (row) => html`<${Badge} kind=${row.outcome === "done" ? "good" : "bad"}>${t(row.outcome === "done" ? "signed in" : "refused")}</${Badge}>` },
  ];
  return html`<${Failure} error=${error} /><${Table} name="sign-ins" label=${t("Last sign-ins")} columns=${columns} rows=${data || []} busy=${!data && !error} rowKey=${(row) => row.at_ms} />`;
}

/** The session goes on under another token. */
function renewed(data) {
  Object.assign(session(), data);
  keepToken(data.csrf_token);
}
