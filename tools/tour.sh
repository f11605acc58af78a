#!/usr/bin/env bash
# The pictures of docs/tour.md, from the screenshots that tests/ui has left. `make tour` takes them first.
set -eu
cd "$(dirname "$0")/.."
while read -r picture screenshot; do
    cp "build/screens/$screenshot.png" "docs/tour/$picture.png"
done <<'PICTURES'
sign-in sign-in
overview root-overview
agent-overview wholesale-overview
sub-accounts root-sub-accounts
account-authorizations root-account-authorizations
account-sections root-account-sections
routes root-routes-of-a-number
cards root-card-batch
calls root-calls
cdrs-refused root-cdrs-refused
refused-call root-refused-call
PICTURES
