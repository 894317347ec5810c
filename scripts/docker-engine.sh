#!/usr/bin/env bash
# Gives a machine without a Docker engine one of its own, for the tests on real containers. Debian, as root.
#
#   scripts/docker-engine.sh FOLDER        makes sure that an engine answers; prints DOCKER_HOST=unix://... for it
#   scripts/docker-engine.sh stop FOLDER   ends the engine that was started in FOLDER
#
# An engine that answers already, at $DOCKER_HOST or at the default socket, is taken as it is and never stopped.
# Everything of an engine of our own is in FOLDER: its socket, pid file, log, images and containers. Its containers reach the
# network only as part of the host's, since it leaves firewall and forwarding alone.
set -euo pipefail

START_SECONDS=60
STOP_SECONDS=30
BRIDGE=/sys/class/net/docker0

say() { echo "docker-engine: $*" >&2; }
fail() { say "$*"; exit 1; }

answers() { command -v docker >/dev/null && timeout 10 docker -H "$1" version >/dev/null 2>&1; }

install_packages() {
  local missing=() policy=/usr/sbin/policy-rc.d
  command -v dockerd >/dev/null || missing+=(docker.io)
  command -v docker >/dev/null || missing+=(docker.io)
  command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || fail "installing ${missing[*]} needs root: run this as root, or install Docker"
  say "installing ${missing[*]}"
  # Debian would start an engine on the default socket right after the installation.
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap "rm -f '$policy'" EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  { apt-get -q update && apt-get -q -y --no-install-recommends install "${missing[@]}"; } >&2 ||
    fail "apt-get could not install ${missing[*]}"
}

is_running() {
  local pid
  pid=$(cat "$1/docker.pid" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "--pidfile $1/docker.pid"
}

start() {
  local folder socket
  for socket in "${DOCKER_HOST:-}" unix:///var/run/docker.sock; do
    if [ -n "$socket" ] && answers "$socket"; then
      say "an engine answers at $socket"
      echo "DOCKER_HOST=$socket"
      return
    fi
  done
  mkdir -p "$1"
  folder=$(cd "$1" && pwd -P)
  # The kernel takes 107 characters, and containerd's socket lies deeper than ours.
  [ ${#folder} -le 70 ] || fail "$folder is too long for the path of a socket: choose a folder of at most 70 characters"
  socket=unix://$folder/docker.sock
  if ! answers "$socket"; then
    install_packages
    [ "$(id -u)" = 0 ] || fail "starting dockerd needs root: run this as root, or start Docker yourself"
    is_running "$folder" || launch "$folder"
    wait_for "$folder" "$socket"
  fi
  echo "DOCKER_HOST=$socket"
}

launch() {
  # A pid file that outlived its engine would keep the next one from starting.
  rm -f "$1/docker.pid" "$1/run/containerd/containerd.pid"
  # Containers of the tests share the host's network, so that the machine's firewall and forwarding can stay as they are.
  [ -e "$BRIDGE" ] || touch "$1/made-bridge"
  setsid dockerd --data-root "$1/data" --exec-root "$1/run" --pidfile "$1/docker.pid" -H "unix://$1/docker.sock" \
    --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    </dev/null >"$1/dockerd.log" 2>&1 &
}

wait_for() {
  local deadline=$((SECONDS + START_SECONDS))
  until answers "$2"; do
    if [ $SECONDS -ge $deadline ] || { [ -s "$1/dockerd.log" ] && grep -q '^failed to start daemon' "$1/dockerd.log"; }; then
      tail -n 20 "$1/dockerd.log" >&2
      fail "dockerd did not answer at $2"
    fi
    sleep 0.2
  done
  say "an engine of our own answers at $2"
}

stop() {
  local folder pid deadline=$((SECONDS + STOP_SECONDS))
  folder=$(cd "$1" 2>/dev/null && pwd -P) || { say "no folder $1, so no engine to stop"; return; }
  is_running "$folder" || { say "no engine of $folder runs"; return; }
  pid=$(cat "$folder/docker.pid")
  kill "$pid"
  while is_running "$folder"; do
    [ $SECONDS -lt $deadline ] || fail "dockerd (pid $pid) still runs after $STOP_SECONDS seconds"
    sleep 0.2
  done
  # What it leaves mounted would keep the folder from being removed.
  awk -v below="$folder/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount
  if [ -e "$folder/made-bridge" ]; then
    if [ -e "$BRIDGE" ] && command -v ip >/dev/null; then ip link delete "${BRIDGE##*/}"; fi
    rm "$folder/made-bridge"
  fi
  say "the engine of $folder has ended"
}

case ${1:-} in
  stop)
    [ $# = 2 ] || fail "usage: $0 stop FOLDER"
    stop "$2"
    ;;
  '' | -*) fail "usage: $0 [stop] FOLDER" ;;
  *) start "$1" ;;
esac
