// Who did or tried what.

import { html } from "/ui/vendor/preact.js";
import { Audit } from "../lib/audit.js";
import { t } from "../lib/text.js";
import { Head } from "../lib/ui.js";

export default function AuditPage() {
  return html`<${Head} title=${t("Audit log")} /><${Audit} />`;
}
