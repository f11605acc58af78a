// One call: what became of it, what each level paid, why it was refused, and its messages as a ladder.

import { html } from "/ui/vendor/preact.js";
import { at, get } from "../lib/api.js";
import { isStaff } from "../lib/session.js";
import { duration, moment, money, number, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Badge, Facts, Failure, Head, useLoad } from "../lib/ui.js";
import { explained } from "../lib/reasons.js";
import { OUTCOMES } from "./cdrs.js";

export default function CdrPage({ id }) {
  const { data: cdr, error } = useLoad((signal) => get(`/cdrs${at(id)}`, null, signal), id);
  if (error) return html`<${Failure} error=${error} />`;
  if (!cdr) return null;
  return html`
    <${Head} title=${t("Call to {number}", { number: cdr.called || cdr.called_received })} sub=${moment(cdr.invited_ms)}>
      <${Badge} kind=${OUTCOMES[cdr.outcome]}>${t(cdr.outcome)}</${Badge}>
    </${Head}>
    <${Why} cdr=${cdr} />
    <${Facts} rows=${[
      [t("Account"), cdr.account_id ? html`<a href=${`/accounts${at(cdr.account_id)}`}>${cdr.account_id}</a>` : t("unknown")],
      [t("Came in by"), `${cdr.mapping_gateway_id || cdr.phone_id || t("nobody known")}, ${cdr.source}`],
      [t("Called, as received"), cdr.called_received],
      cdr.called && [t("Called, as judged"), number(cdr.called)],
      cdr.called_sent && [t("Called, as sent"), cdr.called_sent],
      [t("Calling, as received"), cdr.calling_received],
      cdr.calling && [t("Calling, as judged"), number(cdr.calling)],
      cdr.calling_sent && [t("Calling, as sent"), cdr.calling_sent],
      [t("Status"), `${cdr.status}${cdr.q850 ? ` (Q.850 ${cdr.q850})` : ""}`],
      [t("Ended by"), t(cdr.ended_by)],
      cdr.answered_ms && [t("Duration"), duration(cdr.duration_ms)],
      cdr.pdd_ms !== null && [t("Post-dial delay"), t("{ms} ms", { ms: cdr.pdd_ms })],
      cdr.cost_micros !== null && [t("The vendor charged"), money(cdr.cost_micros, cdr.currency)],
      cdr.codecs_offered && [t("Codecs offered"), cdr.codecs_offered],
      cdr.codecs_answered && [t("Codecs answered"), cdr.codecs_answered],
      cdr.user_agent && [t("User-Agent"), cdr.user_agent],
      [t("Call-ID"), cdr.sip_call_id],
    ]} />
    ${cdr.levels.length > 0 && html`<${Table} name="cdr-levels" label=${t("What each level paid")} columns=${levelColumns(cdr)} rows=${cdr.levels} rowKey=${(row) => row.account_id} />`}
    <${Ladder} cdr=${cdr} />`;
}

/** Why it was refused: the level, the rule, and the two values that were compared. */
function Why({ cdr }) {
  if (!cdr.reason) return null;
  const help = cdr.outcome === "refused" && explained(cdr);
  const level = cdr.refusal_level === "above" ? t("a level above yours") : cdr.refusal_level;
  return html`<section class="why">
    <h2>${t(cdr.outcome === "refused" ? "Why it was refused" : "Why it was ended")}: ${t(cdr.reason.replaceAll("_", " "))}</h2>
    ${help && html`<p>${help.text} ${help.href && html`<a href=${help.href}>${t("Where it is set")}</a>`}</p>`}
    <dl>
      ${level && html`<div><dt>${t("At")}</dt><dd>${level}</dd></div>`}
      ${cdr.refusal_rule && html`<div><dt>${t("By rule")}</dt><dd>${cdr.refusal_rule}</dd></div>`}
      ${cdr.refusal_observed && html`<div><dt>${t("Found")}</dt><dd>${cdr.refusal_observed}</dd></div>`}
      ${cdr.refusal_required && html`<div><dt>${t("Required")}</dt><dd>${cdr.refusal_required}</dd></div>`}
    </dl>
  </section>`;
}

const levelColumns = (cdr) => [
  { id: "account", label: t("Account"), value: (row) => row.account_id, show: (row) => html`<a href=${`/accounts${at(row.account_id)}`}>${row.account_id}</a>` },
  { id: "prefix", label: t("Prefix"), value: (row) => row.prefix },
  { id: "rate", label: t("Per minute"), kind: "number", value: (row) => row.rate_micros, show: (row) => money(row.rate_micros) },
  { id: "billed", label: t("Billed"), kind: "number", value: (row) => row.billed_seconds, show: (row) => t("{seconds} s", { seconds: row.billed_seconds }) },
  { id: "charge", label: t("Charged"), kind: "number", value: (row) => row.charge_micros, show: (row) => money(row.charge_micros, cdr.currency) },
  { id: "tax", label: t("of it tax"), kind: "number", value: (row) => row.tax_micros, show: (row) => money(row.tax_micros) },
  { id: "balance", label: t("Balance after"), kind: "number", value: (row) => row.balance_micros, show: (row) => money(row.balance_micros, cdr.currency) },
];

const STEP = 34;
const TOP = 46;

/** The messages that the record tells of, between the caller, sipguard and each gateway that was asked. */
function Ladder({ cdr }) {
  const staff = isStaff();
  const gateways = staff ? cdr.tries.map((one) => one.gateway_id) : cdr.answered_ms || cdr.ringing_ms ? [t("gateway")] : [];
  const lanes = [t("caller"), "sipguard", ...new Set(gateways)];
  const steps = messages(cdr, lanes, staff);
  const width = Math.max(460, 190 * lanes.length);
  const height = TOP + STEP * (steps.length + 1);
  const x = (lane) => width * ((lane + 0.5) / lanes.length);
  const text = steps.map((step) => `${step.label}, ${lanes[step.from]} ${t("to")} ${lanes[step.to]}`).join("; ");
  return html`<figure class="ladder">
    <figcaption>${t("The call as messages")}</figcaption>
    <svg viewBox=${`0 0 ${width} ${height}`} width=${width} height=${height} role="img" aria-label=${text}>
      ${lanes.map((lane, index) => html`<g>
        <text x=${x(index)} y="18" text-anchor="middle" class="lane">${lane}</text>
        <line x1=${x(index)} x2=${x(index)} y1="28" y2=${height - 8} class="life" />
      </g>`)}
      ${steps.map((step, index) => {
        const y = TOP + STEP * index + 12;
        const [from, to] = [x(step.from), x(step.to)];
        const tip = to > from ? -7 : 7;
        return html`<g class=${step.bad ? "bad" : ""}>
          <text x=${(from + to) / 2} y=${y - 5} text-anchor="middle">${step.label}</text>
          <line x1=${from} x2=${to} y1=${y} y2=${y} class="arrow" />
          <path d=${`M ${to} ${y} l ${tip} -4 l 0 8 z`} class="tip" />
          ${step.at !== null && html`<text x=${width - 4} y=${y + 4} text-anchor="end" class="at">+${step.at - cdr.invited_ms} ms</text>`}
        </g>`;
      })}
    </svg>
  </figure>`;
}

function messages(cdr, lanes, staff) {
  const steps = [{ from: 0, to: 1, label: "INVITE", at: 0 + cdr.invited_ms }];
  const asked = staff ? cdr.tries : lanes.length > 2 ? [{ gateway_id: lanes[2], status: cdr.answered_ms ? 200 : cdr.status }] : [];
  for (const [index, one] of asked.entries()) {
    const lane = lanes.indexOf(one.gateway_id);
    const last = index === asked.length - 1;
    steps.push({ from: 1, to: lane, label: `INVITE ${one.number || ""}`, at: null });
    if (last && cdr.ringing_ms) {
      steps.push({ from: lane, to: 1, label: "18x", at: cdr.ringing_ms }, { from: 1, to: 0, label: "18x", at: null });
    }
    if (one.cause === "timeout") continue;
    steps.push({ from: lane, to: 1, label: String(one.status), at: last && cdr.answered_ms ? cdr.answered_ms : null, bad: one.status >= 300 });
  }
  if (cdr.answered_ms) {
    steps.push({ from: 1, to: 0, label: "200", at: null });
    const by = cdr.ended_by;
    const gateway = lanes.length - 1;
    if (by === "caller") steps.push({ from: 0, to: 1, label: "BYE", at: cdr.ended_ms }, { from: 1, to: gateway, label: "BYE", at: null });
    else if (by === "callee") steps.push({ from: gateway, to: 1, label: "BYE", at: cdr.ended_ms }, { from: 1, to: 0, label: "BYE", at: null });
    else steps.push({ from: 1, to: 0, label: "BYE", at: cdr.ended_ms, bad: true }, { from: 1, to: gateway, label: "BYE", at: null, bad: true });
  } else {
    steps.push({ from: 1, to: 0, label: String(cdr.status), at: cdr.ended_ms, bad: true });
  }
  return steps;
}
