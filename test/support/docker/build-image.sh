#!/usr/bin/env bash
# Builds an image that behaves as apache/rocketmq:VERSION, for machines that reach Debian and Maven Central but no image registry.
#
#   test/support/docker/build-image.sh VERSION TAG
#
# The engine is the one that docker talks to (DOCKER_HOST). Needs mmdebstrap, Debian's own sources in /etc/apt, Java and Maven.
set -euo pipefail

# Part of the cached file's name: raise it when the content of the base changes.
BASE=bookworm-openjdk17-1

say() { echo "build-image: $*" >&2; }
fail() { say "$*"; exit 1; }

[ $# = 2 ] || fail "usage: $0 VERSION TAG"
version=$1 tag=$2
here=$(cd "$(dirname "$0")" && pwd)
cache=${ROCKETMQ_REMOTING_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rocketmq-remoting}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

docker version >/dev/null || fail 'no Docker engine answers: set DOCKER_HOST, or start one with scripts/docker-engine.sh'

# The base: Debian with a JRE, as a tar that outlives the engine.
base_image=rocketmq-remoting-base:$BASE
if ! docker image inspect "$base_image" >/dev/null 2>&1; then
  base_tar=$cache/docker/$BASE.tar
  if [ ! -f "$base_tar" ]; then
    say "making $base_tar"
    mkdir -p "$(dirname "$base_tar")"
    sources=()
    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
      if [ -s "$file" ]; then sources+=("$file"); fi
    done
    [ ${#sources[@]} -gt 0 ] || fail "found no Debian sources in /etc/apt"
    # The numbers of the user are those of the published image.
    mmdebstrap --quiet --variant=minbase --include=openjdk-17-jre-headless,procps \
      --customize-hook='chroot "$1" groupadd -g 3000 rocketmq' \
      --customize-hook='chroot "$1" useradd -m -u 3000 -g 3000 rocketmq' \
      --customize-hook='rm -rf "$1"/usr/share/doc/* "$1"/usr/share/locale/*' \
      bookworm "$work/base.tar" "${sources[@]}" >&2
    # A name of its own on the same file system, then a rename: nobody ever sees half a file.
    cp "$work/base.tar" "$base_tar.$$"
    mv "$base_tar.$$" "$base_tar"
  fi
  docker import "$base_tar" "$base_image" >&2
fi

lib=$(npx --no-install tsx "$here/ensure-jars.ts" "$version")
mkdir "$work/context"
cp "$here/Dockerfile" "$work/context"
cp -R "$here/bin" "$here/conf" "$work/context"
# 4.x has logback under its own name, and insists on a file for each of its programs.
case $version in
  4.*)
    for program in namesrv broker tools; do
      sed 's/org\.apache\.rocketmq\.logging\.ch\.qos/ch.qos/' "$here/conf/logback.xml" >"$work/context/conf/logback_$program.xml"
    done
    ;;
esac
cp -R "$lib" "$work/context/lib"
docker build --quiet --build-arg "BASE=$base_image" --build-arg "VERSION=$version" -t "$tag" "$work/context" >&2
say "$tag is RocketMQ $version"
