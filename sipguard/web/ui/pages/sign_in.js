// Signing in; with a second factor where the login has one.

import { html, useState } from "/ui/vendor/preact.js";
import { signIn } from "../lib/session.js";
import { t } from "../lib/text.js";
import { Failure } from "../lib/ui.js";

export default function SignIn({ signedIn }) {
  const [state, setState] = useState({ busy: false, error: null, code: false });
  const submit = async (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.target));
    if (!given.code) delete given.code;
    setState((before) => ({ ...before, busy: true, error: null }));
    try {
      signedIn(await signIn(given));
    } catch (error) {
      setState({ busy: false, error: error.codeNeeded && !given.code ? null : error, code: error.codeNeeded || state.code });
    }
  };
  document.title = `${t("Sign in")} · sipguard`;
  return html`<main class="alone">
    <form class="sign-in" onSubmit=${submit}>
      <h1><img src="/ui/icon.svg" alt="" width="28" height="28" /> sipguard</h1>
      <div class="field"><label for="username">${t("Username")}</label>
        <input id="username" name="username" autocomplete="username" required autofocus maxlength="64" /></div>
      <div class="field"><label for="password">${t("Password")}</label>
        <input id="password" name="password" type="password" autocomplete="current-password" required maxlength="256" /></div>
      ${state.code && html`<div class="field"><label for="code">${t("Code of your authenticator, or a recovery code")}</label>
        <input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="64" autofocus /></div>`}
      <${Failure} error=${state.error} />
      <button type="submit" class="primary" disabled=${state.busy}>${t("Sign in")}</button>
    </form>
  </main>`;
}
