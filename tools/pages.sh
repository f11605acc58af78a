#!/usr/bin/env bash
# Copy the libraries of the web pages, at the versions and checksums of tools/ui/package-lock.json, beside them.
set -eu
cd "$(dirname "$0")/.."
into=sipguard/web/ui/vendor
from=tools/ui/node_modules
echo "Fetching the libraries of the web pages"
npm ci --prefix tools/ui --ignore-scripts --no-audit --no-fund --silent
mkdir -p "$into"
cp "$from/htm/preact/standalone.module.js" "$into/preact.js"
cp "$from/uplot/dist/uPlot.iife.min.js" "$into/uplot.js"
cp "$from/uplot/dist/uPlot.min.css" "$into/uplot.css"
cat "$from/htm/LICENSE" "$from/uplot/LICENSE" >"$into/LICENSES"
