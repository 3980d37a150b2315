#!/usr/bin/env bash
# Every set of features of every crate builds by itself.
set -euo pipefail
cd "$(dirname "$0")/../.."

sets=("" alloc kernel hypervisor alloc,hypervisor kernel,hypervisor)
for crate in smmu-regs smmu-cmds smmu-ste smmu-tlbi io-pgtable-lpae; do
  for features in "${sets[@]}"; do
    cargo check --quiet -p "$crate" --features "$features"
  done
  # Exactly the features that the house has.
  found=$(sed -n '/^\[features\]/,/^\[/p' "crates/$crate/Cargo.toml" | grep -o '^[a-z]*' | sort | tr '\n' ' ')
  wanted="alloc hypervisor kernel "
  [ "$crate" = smmu-regs ] && wanted="alloc hypervisor kernel serde "
  [ "$found" = "$wanted" ] || { echo "features of $crate are: $found" >&2; exit 1; }
  echo "$crate: ${#sets[@]} sets"
done
cargo check --quiet -p smmu-regs --features serde
cargo check --quiet -p smmu-regs --all-features
