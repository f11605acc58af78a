// The frame of all pages: who is signed in, where one can go, and which page is shown.

import { html, render, useEffect, useState } from "/ui/vendor/preact.js";
import { whenSignedOut } from "./lib/api.js";
import { catchLinks, go, match, useLocation } from "./lib/router.js";
import * as session from "./lib/session.js";
import { t } from "./lib/text.js";
import { Tree } from "./lib/tree.js";
import { Failure, Lazy } from "./lib/ui.js";
import { SCREENS } from "./screens.js";

function App() {
  const place = useLocation();
  const [state, setState] = useState({ ready: false, who: null, error: null });
  useEffect(() => {
    session.resume().then(
      (who) => setState({ ready: true, who, error: null }),
      (error) => setState({ ready: true, who: null, error }),
    );
    whenSignedOut(() => {
      session.end();
      setState({ ready: true, who: null, error: null });
    });
  }, []);
  if (!state.ready) return null;
  if (state.error) return html`<main class="alone"><${Failure} error=${state.error} /></main>`;
  if (!state.who) return html`<${Lazy} load=${() => import("./pages/sign_in.js")} signedIn=${(who) => setState({ ...state, who })} />`;
  return html`<${Frame} place=${place} who=${state.who} />`;
}

function Frame({ place, who }) {
  const [menu, setMenu] = useState(false);
  const allowed = SCREENS.filter((screen) => !screen.when || screen.when(session));
  const found = allowed.map((screen) => [screen, match(screen.path, place.path)]).find(([, values]) => values);
  useEffect(() => setMenu(false), [place.path]);
  useEffect(() => {
    if (who.must_change) go("/me", { replace: true });
    else if (place.path === "/") go("/overview", { replace: true });
  }, [place.path]);
  const [screen, values] = found || [null, {}];
  const current = values.id || place.query.agent || null;
  return html`<div class=${`frame ${menu ? "menu-open" : ""}`} onClick=${catchLinks}>
    <a class="skip" href="#main">${t("Skip to the page")}</a>
    <header class="bar">
      <button type="button" class="menu-button" aria-expanded=${String(menu)} aria-controls="side" onClick=${() => setMenu(!menu)}>☰<span class="unseen">${t("Menu")}</span></button>
      <a class="brand" href="/overview"><img src="/ui/icon.svg" alt="" width="20" height="20" /> sipguard</a>
      <span class="space"></span>
      <a href="/me">${who.username}</a>
      <button type="button" onClick=${() => session.signOut().finally(() => location.assign("/"))}>${t("Sign out")}</button>
    </header>
    <aside id="side">
      <nav aria-label=${t("Screens")}>
        ${allowed.filter((one) => one.label).map((one) => html`<a href=${one.path}
          aria-current=${screen && (screen.path === one.path || screen.under === one.path) ? "page" : null}>${t(one.label)}</a>`)}
      </nav>
      <${Tree} current=${current} version=${0} />
    </aside>
    <main id="main" tabindex="-1">
      ${screen
        ? html`<${Lazy} key=${screen.path + JSON.stringify(values)} load=${screen.load} ...${values} query=${place.query} />`
        : place.path !== "/" && html`<p class="empty">${t("There is no such page.")}</p>`}
    </main>
  </div>`;
}

render(html`<${App} />`, document.getElementById("app"));
