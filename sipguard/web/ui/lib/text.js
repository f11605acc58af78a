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

// Calling codes of three digits and fewer whose holder is one country, as ISO 3166-1 (ITU-T E.164 annex, 2016).
const COUNTRIES = {
  20: "EG", 27: "ZA", 30: "GR", 31: "NL", 32: "BE", 33: "FR", 34: "ES", 36: "HU", 39: "IT", 40: "RO", 41: "CH", 43: "AT", 44: "GB", 45: "DK", 46: "SE",
  47: "NO", 48: "PL", 49: "DE", 51: "PE", 52: "MX", 53: "CU", 54: "AR", 55: "BR", 56: "CL", 57: "CO", 58: "VE", 60: "MY", 61: "AU", 62: "ID", 63: "PH",
  64: "NZ", 65: "SG", 66: "TH", 81: "JP", 82: "KR", 84: "VN", 86: "CN", 90: "TR", 91: "IN", 92: "PK", 93: "AF", 94: "LK", 95: "MM", 98: "IR",
  211: "SS", 212: "MA", 213: "DZ", 216: "TN", 218: "LY", 220: "GM", 221: "SN", 222: "MR", 223: "ML", 224: "GN", 225: "CI", 226: "BF", 227: "NE", 228: "TG",
  229: "BJ", 230: "MU", 231: "LR", 232: "SL", 233: "GH", 234: "NG", 235: "TD", 236: "CF", 237: "CM", 238: "CV", 239: "ST", 240: "GQ", 241: "GA", 242: "CG",
  243: "CD", 244: "AO", 245: "GW", 248: "SC", 249: "SD", 250: "RW", 251: "ET", 252: "SO", 253: "DJ", 254: "KE", 255: "TZ", 256: "UG", 257: "BI", 258: "MZ",
  260: "ZM", 261: "MG", 263: "ZW", 264: "NA", 265: "MW", 266: "LS", 267: "BW", 268: "SZ", 269: "KM", 350: "GI", 351: "PT", 352: "LU", 353: "IE", 354: "IS",
  355: "AL", 356: "MT", 357: "CY", 358: "FI", 359: "BG", 370: "LT", 371: "LV", 372: "EE", 373: "MD", 374: "AM", 375: "BY", 376: "AD", 377: "MC", 378: "SM",
  380: "UA", 381: "RS", 382: "ME", 383: "XK", 385: "HR", 386: "SI", 387: "BA", 389: "MK", 420: "CZ", 421: "SK", 423: "LI", 501: "BZ", 502: "GT", 503: "SV",
  504: "HN", 505: "NI", 506: "CR", 507: "PA", 509: "HT", 591: "BO", 592: "GY", 593: "EC", 595: "PY", 597: "SR", 598: "UY", 670: "TL", 673: "BN", 674: "NR",
  675: "PG", 676: "TO", 677: "SB", 678: "VU", 679: "FJ", 680: "PW", 685: "WS", 686: "KI", 688: "TV", 691: "FM", 692: "MH", 850: "KP", 852: "HK", 853: "MO",
  855: "KH", 856: "LA", 880: "BD", 886: "TW", 960: "MV", 961: "LB", 962: "JO", 963: "SY", 964: "IQ", 965: "KW", 966: "SA", 967: "YE", 968: "OM", 971: "AE",
  972: "IL", 973: "BH", 974: "QA", 975: "BT", 976: "MN", 977: "NP", 992: "TJ", 993: "TM", 994: "AZ", 995: "GE", 996: "KG", 998: "UZ",
};
const regions = new Intl.DisplayNames(undefined, { type: "region" });

/** An international number with the country that its code belongs to, where it is a single one (+1 and +7 are not). */
export function number(digits) {
  const code = [3, 2].map((length) => COUNTRIES[digits.slice(0, length)]).find(Boolean);
  return code && /^\d{7,}$/.test(digits) ? `+${digits} ${regions.of(code)}` : digits;
}
