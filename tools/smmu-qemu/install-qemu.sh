#!/bin/bash
# Makes sure that qemu-system-aarch64 is here and new enough (9.1, the first with a nested SMMUv3). Does
# nothing if it is. Otherwise installs the distribution's package; on Debian bookworm, whose own is too old,
# the one from bookworm-backports, of the same archive that this machine already uses. Prints QEMU's version
# line; fails, saying why, if the version cannot be had.
set -euo pipefail

need=9.1
program=qemu-system-aarch64

die() {
  echo "install-qemu: $*" >&2
  exit 1
}

version() { "$program" --version 2>/dev/null | sed -n '1s/.*version \([0-9][0-9.]*\).*/\1/p'; }

# Is the program here, and does $need sort before (or with) its version?
good() {
  local have
  command -v "$program" >/dev/null || return 1
  have=$(version) && [ -n "$have" ] || return 1
  [ "$(printf '%s\n%s\n' "$need" "$have" | sort -V | head -n 1)" = "$need" ]
}

# Lists bookworm-backports next to the Debian archive that is configured, and makes it the one to install
# from.
use_backports() {
  local archive
  archive=$(grep -rhoE '[a-z]+://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d \
    2>/dev/null | head -n 1 | tr -d ' ') || true
  [ -n "$archive" ] || die "no Debian archive is configured in /etc/apt"
  cat > /etc/apt/sources.list.d/bookworm-backports.sources <<EOF
Types: deb
URIs: ${archive%/}
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
EOF
  from=(-t bookworm-backports)
}

if ! good; then
  [ "$(id -u)" = 0 ] || die "$program >= $need is missing, and this user cannot install packages"
  command -v apt-get >/dev/null || die "$program >= $need is missing, and so is apt-get"
  from=()
  # shellcheck source=/dev/null
  . /etc/os-release
  if [ "${VERSION_CODENAME:-}" = bookworm ]; then use_backports; fi
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install -y --no-install-recommends "${from[@]}" qemu-system-arm >/dev/null
  good || die "the package archive has no $program >= $need"
fi
"$program" --version | head -n 1
