#!/bin/bash
# Stops the cluster. Binaries and loaded images stay for the next up.sh;
# `down.sh --purge` removes them too, with all of CLUSTER_DIR.
set -euo pipefail
. "$(dirname "$0")/env.sh"

# stop PID: kills it and waits until it is gone
stop() {
  kill -KILL "$1" 2>/dev/null || return 0
  local deadline=$((SECONDS + 30))
  while [ -e "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; do
    ((SECONDS < deadline)) || die "process $1 does not stop"
    sleep 0.1
  done
}

if node=$(node_pid); then
  stop "$node" # pid 1 of its namespace: all others in there die with it
  echo "stopped the node"
fi

if port=$(cat "$run/api-port.pid" 2>/dev/null) &&
  tr '\0' ' ' <"/proc/$port/cmdline" 2>/dev/null | grep -qF "UNIX-CONNECT:$run/api.sock"; then
  stop "$port"
fi

if [ -e "$run/cgroups" ]; then
  while read -r _ directory; do
    [ -d "$directory" ] || continue
    for _ in {1..50}; do
      find "$directory" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ -d "$directory" ] || break
      sleep 0.1
    done
    [ ! -d "$directory" ] || echo "could not remove the cgroup $directory" >&2
  done <"$run/cgroups"
fi
rm -rf "$run"

if [ "${1:-}" = --purge ]; then
  rm -rf "$CLUSTER_DIR"
fi
