// All phone cards in scope.

import { html } from "/ui/vendor/preact.js";
import { CardBatches } from "../lib/cards.js";
import { t } from "../lib/text.js";
import { Head } from "../lib/ui.js";

export default function Cards() {
  return html`<${Head} title=${t("Phone cards")} /><${CardBatches} />`;
}
