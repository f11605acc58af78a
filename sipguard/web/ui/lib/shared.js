// Columns and choices that several screens have alike.

import { html } from "/ui/vendor/preact.js";
import { t } from "./text.js";
import { Badge } from "./ui.js";

const RULES_HINT = t("One a line, as 00*:* (takes 00 off) or *:9011*; ? is a digit, * any digits. The first that fits is used.");

/** Rules by which called numbers are rewritten. */
export const REWRITE = { name: "called_rewrite", label: t("Rewrites called numbers"), kind: "lines", hint: RULES_HINT };

/** The same of the numbers that call. */
export const CALLER_REWRITE = { name: "caller_rewrite", label: t("Rewrites callers"), kind: "lines", hint: RULES_HINT };

const word = (row) => t(row.locked ? "locked" : "active");

/** Whether a thing is locked. */
export const STATE_COLUMN = { id: "state", label: t("State"), value: word, show: (row) => html`<${Badge} kind=${row.locked ? "bad" : "good"}>${word(row)}</${Badge}>` };

const PERIODS = [[1, t("Last day")], [7, t("Last week")], [31, t("Last month")], [366, t("Last year")]];

/** How far back a list goes, in days. */
export function PeriodChoice({ days, change }) {
  return html`<select aria-label=${t("Period")} value=${days} onChange=${(event) => change(Number(event.target.value))}>
    ${PERIODS.map(([value, label]) => html`<option value=${value} selected=${value === days}>${label}</option>`)}
  </select>`;
}
