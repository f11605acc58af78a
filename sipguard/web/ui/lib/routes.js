// Which routing gateways a number would be sent to, in which order: the rule of the proxy (policy/route.py), for people.

/** All routes of gateways: one row each, the longest prefixes first. */
export function routesOf(gateways) {
  const rows = gateways.flatMap((gateway) => gateway.routes.map((route) => ({ ...route, gateway })));
  return rows.sort((a, b) => b.prefix.length - a.prefix.length || (a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : a.priority - b.priority));
}

/**
 * What a number (international digits) would take: [{...route, order, share, skipped}], the first to try first. Routes of the
 * longest prefix come first; those of a shorter one follow while every one of the longer says "continue". Equal priorities share by
 * weight: `share` is of the calls, 0 to 1. `skipped` says why a gateway would take none.
 */
export function routesFor(gateways, number) {
  const fitting = routesOf(gateways).filter((route) => number.startsWith(route.prefix));
  const found = [];
  const tried = new Set();
  for (const prefix of [...new Set(fitting.map((route) => route.prefix))]) {
    const here = fitting.filter((route) => route.prefix === prefix);
    for (const route of here) {
      if (tried.has(route.gateway.id)) continue;
      tried.add(route.gateway.id);
      const equals = here.filter((other) => other.priority === route.priority && !other.gateway.locked);
      const weights = equals.reduce((sum, other) => sum + other.weight, 0);
      const skipped = route.gateway.locked ? "locked" : route.gateway.capacity === 0 ? "without capacity" : null;
      found.push({ ...route, skipped, share: skipped ? 0 : route.weight / weights });
    }
    if (here.some((route) => route.mode === "terminate")) break;
  }
  return found.map((route, index) => ({ ...route, order: index + 1 }));
}
