#!/usr/bin/env bash
# Installs the database servers that tests start and stop by themselves; nothing else needs them. Safe to run again.
set -euo pipefail
PATH="$PATH:/usr/sbin"

missing=()
command -v openssl >/dev/null || missing+=(openssl)
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || missing+=(postgresql)
command -v mariadbd >/dev/null || missing+=(mariadb-server)
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "set-up: installing ${missing[*]}"
  export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive  # a server that is installed is not started
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
fi
echo "set-up: missing: ${missing[*]}; type this, then run the command again:" >&2
echo "  sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${missing[*]}'" >&2
exit 1
