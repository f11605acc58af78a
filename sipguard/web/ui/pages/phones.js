// All phones in scope.

import { html } from "/ui/vendor/preact.js";
import { Phones } from "../lib/phones.js";
import { t } from "../lib/text.js";
import { Head } from "../lib/ui.js";

export default function PhonesPage() {
  return html`<${Head} title=${t("Phones")} /><${Phones} />`;
}
