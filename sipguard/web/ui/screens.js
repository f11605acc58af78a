// Every screen: its path, what it is called in the menu (none: not there), for whom it is, and where its code is.

export const SCREENS = [
  { path: "/overview", label: "Overview", load: () => import("./pages/overview.js") },
  { path: "/accounts", label: "Accounts", load: () => import("./pages/accounts.js") },
  { path: "/accounts/:id", under: "/accounts", load: () => import("./pages/account/frame.js") },
  { path: "/accounts/:id/:part", under: "/accounts", load: () => import("./pages/account/frame.js") },
  { path: "/calls", label: "Live calls", load: () => import("./pages/calls.js") },
  { path: "/cdrs", label: "Call records", load: () => import("./pages/cdrs.js") },
  { path: "/cdrs/:id", under: "/cdrs", load: () => import("./pages/cdr.js") },
  { path: "/gateways", label: "Gateways", load: () => import("./pages/gateways.js") },
  { path: "/rates", label: "Rates", load: () => import("./pages/rates.js") },
  { path: "/rates/:id", under: "/rates", load: () => import("./pages/rate_table.js") },
  { path: "/phones", label: "Phones", load: () => import("./pages/phones.js") },
  { path: "/payments", label: "Payments", load: () => import("./pages/payments.js") },
  { path: "/approvals", label: "Approvals", load: () => import("./pages/approvals.js") },
  { path: "/grants", label: "Authorizations", load: () => import("./pages/grants.js") },
  { path: "/audit", label: "Audit log", load: () => import("./pages/audit.js") },
  { path: "/alerts", label: "Alerts", load: () => import("./pages/alerts.js") },
  { path: "/logins", label: "Logins", load: () => import("./pages/logins.js") },
  { path: "/me", load: () => import("./pages/me.js") },
];
