#!/usr/bin/env bash
# Dependencies between the rooms go down only, and the judges know nothing of what they judge.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The workspace members that PACKAGE depends on, dev-dependencies aside.
below() {
  cargo tree --quiet -p "$1" -e normal,build --prefix none --format '{p}' |
    grep -o '^[a-z-]* v[^ ]* (/.*' | cut -d' ' -f1 | sort -u | grep -vx "$1" || true
}

check() {
  local room=$1 allowed=" $2 " found
  for found in $(below "$room"); do
    case "$allowed" in
      *" $found "*) ;;
      *) echo "arrows: $room must not depend on $found" >&2; exit 1 ;;
    esac
  done
  echo "$room -> $(below "$room" | tr '\n' ' ')"
}

check smmu-regs ""
check smmu-cmds "smmu-regs"
check io-pgtable-lpae "smmu-regs"
check smmu-ste "smmu-regs smmu-cmds"
check smmu-tlbi "smmu-regs smmu-cmds io-pgtable-lpae"
check smmu-model ""
check smmu-qemu ""
