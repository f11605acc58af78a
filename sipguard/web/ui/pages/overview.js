// What goes on at this moment.

import { html } from "/ui/vendor/preact.js";
import { t } from "../lib/text.js";
import { Head } from "../lib/ui.js";

export default function Overview() {
  return html`<${Head} title=${t("Overview")} />`;
}
