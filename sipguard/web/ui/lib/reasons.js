// Why calls are refused, in words for who sees it for the first time: what it means, and where it is set.

import { at } from "./api.js";
import { t } from "./text.js";

// reason: [what it means, the part of the account's page where it is set, or the path of a page; null: nowhere on these pages]
export const REASONS = {
  store_down: [t("Call records cannot be written, and no call is carried that could not be charged. It is over when the disk or the database is."), "/alerts"],
  overloaded: [t("More calls came than can be decided in time. The caller may try again at once."), "/overview"],
  unknown_source: [t("Nobody is known who calls from this address: no mapping gateway has the network, and no phone proved itself."), "/gateways"],
  tech_prefix_missing: [t("What was dialled begins with no tech prefix of the mapping gateways that call from this address."), "/gateways"],
  credentials_refused: [t("The caller gave a password that is not the one of its phone or gateway, or none."), "/phones"],
  gateway_locked: [t("The gateway or phone by which the call came in is locked."), "/gateways"],
  account_locked: [t("The account, or an agent above it, is locked: nobody below a locked one can call."), "settings"],
  account_expired: [t("The account's time has not begun, or is over, or that of an agent above it."), "settings"],
  caller_refused: [t("The number that the caller shows is not one that it may show."), "phones"],
  bad_number: [t("The called number is none: not in a form that the gateway's number plan knows."), "gateways"],
  section_blocked: [t("A number section forbids calls to this number. The longest prefix decides, at each level; every level has to allow it."), "sections"],
  no_rate: [t("The rate table of this level has no price for the number at this time, so that the call could not be charged."), "/rates"],
  rate_cap: [t("The price of a minute is above what the account allows."), "settings"],
  concurrent_limit: [t("As many calls were up as are allowed at this level, those of everybody below it counted."), "settings"],
  calls_per_second: [t("More calls began in a second than are allowed at this level."), "settings"],
  not_enough_money: [t("What is left of balance and credit, after what calls that are up may cost, does not pay for the first moments."), "payments"],
  phone_locked: [t("The called phone is locked for incoming calls."), "phones"],
  no_route: [t("No routing gateway takes this number, of those that the caller's gateway may use."), "/routes"],
  gateways_down: [t("The gateways that would take the number are out of service."), "/gateways?part=routing"],
  margin: [t("Every gateway would cost more than the call is sold for."), "/rates"],
  gateways_full: [t("The gateways that would take the number have as many calls as they may."), "/gateways?part=routing"],
  not_registered: [t("The called phone is not registered: there is no address at which it could be reached."), "phones"],
};

/** {text, href} of a reason in a call record; null where there is nothing to say. `href`: where it is set; null: at a level above the reader's. */
export function explained(cdr) {
  const found = REASONS[cdr.reason];
  if (!found) return null;
  const [text, place] = found;
  if (cdr.refusal_level === "above") return { text, href: null };
  if (place.startsWith("/")) return { text, href: place === "/routes" && cdr.called ? `/routes?number=${cdr.called}` : place };
  const ofCaller = place === "gateways" || place === "phones"; // such a refusal names the gateway, if anything
  const account = (!ofCaller && cdr.refusal_level) || cdr.account_id;
  return { text, href: account ? `/accounts${at(account)}/${place}` : null };
}
