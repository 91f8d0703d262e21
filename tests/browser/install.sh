#!/bin/sh
# Installs what the browser tests need on Debian and Ubuntu: Chromium. Playwright drives it; its own browsers are not needed.
set -e
command -v chromium >/dev/null && { echo "chromium is installed: $(command -v chromium)"; exit 0; }
run="" && [ "$(id -u)" = 0 ] || run=sudo
$run apt-get update && $run apt-get install -y --no-install-recommends chromium
