// Words, and how values are written for people. Everything that a person reads passes through `t`: the English text
// is the key, a catalogue of another language maps it. Times are in the zone of the reader.

let catalogue = {};

/** Take a catalogue {English: translated}; texts without one stay English. */
export function translate(texts) {
  catalogue = texts;
}

/** A text in the reader's language; "{name}" in it is replaced by the value of that name. */
export function t(text, values = {}) {
  return (catalogue[text] || text).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

const counts = new Intl.NumberFormat();

/** A count with its thousands apart. */
export const count = (value) => (value === null || value === undefined ? "–" : counts.format(value));

/** "1,234.50": micro-units, exact; at least two decimals. */
export function money(micros, currency = "") {
  if (micros === null || micros === undefined) return "–";
  // Amounts beyond 2^53 lose digits in JSON before they come here; no operator has them.
  const digits = BigInt(Math.abs(micros)).toString().padStart(7, "0");
  const units = counts.format(BigInt(digits.slice(0, -6)));
  const fraction = digits.slice(-6).replace(/0+$/, "").padEnd(2, "0");
  return `${micros < 0 ? "−" : ""}${units}.${fraction}${currency ? ` ${currency}` : ""}`;
}

/** Micro-units of what a person wrote, "12.5" or "1 000"; NaN where it is no amount. */
export function micros(text) {
  const found = /^(-?)(\d{1,12})(?:\.(\d{0,6}))?$/.exec(text.trim().replace(/[\s,_]/g, "").replace("−", "-"));
  return found ? Number(`${found[1]}${found[2]}${(found[3] || "").padEnd(6, "0")}`) : NaN;
}

const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const times = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** A moment, of Unix milliseconds. */
export const moment = (ms) => (ms ? moments.format(ms) : "–");
export const day = (ms) => (ms ? days.format(ms) : "–");
export const time = (ms) => (ms ? times.format(ms) : "–");

/** "1:02:03", of milliseconds. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  const seconds = Math.floor(ms / 1000);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, "0"));
  return `${Math.floor(seconds / 3600)}:${parts.join(":")}`;
}

/** "12.3 %", of a share from 0 to 1. */
export const share = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);

/** A limit: null is none. */
export const limit = (value) => (value === null || value === undefined ? t("no limit") : count(value));
