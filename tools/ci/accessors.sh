#!/usr/bin/env bash
# The instructions by which registers are accessed on aarch64, as built: each accessor is one load or store of one
# general-purpose register with nothing but a base register as its address, which is the only form that a hypervisor can
# emulate in every case. The barriers, the pair store and the clock are looked at too.
# usage: accessors.sh ENV      ENV: the env.sh that setup-aarch64.sh wrote
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck disable=SC1090
. "${1:?env.sh of setup-aarch64.sh}"

find_objdump() {
  local tool
  for tool in llvm-objdump llvm-objdump-{22,21,20,19,18,17,16,15,14} aarch64-linux-gnu-objdump; do
    if command -v "$tool"; then return; fi
  done
}
objdump=$(find_objdump)
if [ -z "$objdump" ] && command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; then
  { apt-get update && apt-get install -y --no-install-recommends binutils-aarch64-linux-gnu; } > /dev/null 2>&1 || true
  objdump=$(find_objdump)
fi
if [ -z "$objdump" ]; then
  echo "SKIPPED: accessors: no disassembler for aarch64 on this machine, and none to be had from its distribution"
  exit 0
fi

target=aarch64-unknown-none
out=${CARGO_TARGET_DIR:-target/bare-metal}
CARGO_TARGET_DIR=$out cargo build --quiet --release --target "$target" -p smmu-regs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/probe.rs" <<'RUST'
#![no_std]
use smmu_regs::platform::{aarch64, raw, Clock, Dword};
#[no_mangle] pub unsafe extern "C" fn read32(at: *const u32) -> u32 { raw::read32(at) }
#[no_mangle] pub unsafe extern "C" fn write32(at: *mut u32, value: u32) { raw::write32(at, value) }
#[no_mangle] pub unsafe extern "C" fn read64(at: *const u64) -> u64 { raw::read64(at) }
#[no_mangle] pub unsafe extern "C" fn write64(at: *mut u64, value: u64) { raw::write64(at, value) }
// A compiler that may choose would take an indexed form, a pair or a zero register here.
#[no_mangle] pub unsafe extern "C" fn many(at: *mut u32) { let mut i = 0; while i < 4 { raw::write32(at.add(i), 0); i += 1 } }
#[no_mangle] pub extern "C" fn publish() { aarch64::publish() }
#[no_mangle] pub extern "C" fn acquire() { aarch64::acquire() }
#[no_mangle] pub extern "C" fn release() { aarch64::release() }
#[no_mangle] pub fn store_pair(pair: &[Dword; 2], low: u64, high: u64) { aarch64::store_pair(pair, [low, high]) }
#[no_mangle] pub fn wait_event(clock: &aarch64::GenericTimer) { clock.with_event_wait(aarch64::EventWait::EventStream).wait_for_event() }
#[no_mangle] pub fn wait_time(clock: &aarch64::GenericTimer) { clock.with_event_wait(aarch64::EventWait::Timeout { ticks: 9 }).wait_for_event() }
#[no_mangle] pub fn now() -> core::time::Duration { aarch64::GenericTimer::with_frequency(core::num::NonZeroU32::MAX).now() }
// A positive control: the check must see through this one.
#[no_mangle] pub unsafe extern "C" fn control(at: *mut u32) { at.add(3).write_volatile(5) }
RUST
"$RUSTC" --edition 2021 --crate-type rlib --emit obj -C opt-level=3 -C panic=abort -C codegen-units=1 --target "$target" \
  --sysroot "$A64_SYSROOT" -L "$out/$target/release/deps" -L "$out/release/deps" \
  --extern "smmu_regs=$out/$target/release/libsmmu_regs.rlib" -A unsafe_op_in_unsafe_fn -o "$work/probe.o" "$work/probe.rs"
"$objdump" -d --no-show-raw-insn "$work/probe.o" > "$work/dump"

# The instructions of a function, one in a line, blanks made single.
code() { awk -v f="<$1>:" '$2 == f { on = 1; next } NF == 0 { on = 0 } on { $1 = ""; print }' "$work/dump" | tr '\t' ' ' | sed 's/  */ /g; s/^ //'; }
failed=0
# want FUNCTION NUMBER PATTERN: that many instructions match, and no other of the function touches memory.
want() {
  local found memory
  found=$(code "$1" | grep -Ec "^$3\$" || true)
  memory=$(code "$1" | grep -Ec '\[' || true)
  local wanted_memory=$2
  case $3 in *\\\[*) ;; *) wanted_memory=0 ;; esac
  if [ "$found" = "$2" ] && [ "$memory" = "$wanted_memory" ]; then return 0; fi
  echo "$1: wanted $2 of '$3', found $found, and $memory accesses:" >&2
  code "$1" >&2
  failed=1
}
want read32 1 'ldr w[0-9]+, \[x[0-9]+\]'
want write32 1 'str w[0-9]+, \[x[0-9]+\]'
want read64 1 'ldr x[0-9]+, \[x[0-9]+\]'
want write64 1 'str x[0-9]+, \[x[0-9]+\]'
want many 4 'str w([0-9]+|zr), \[x[0-9]+\]'
want publish 1 'dmb oshst'
want acquire 1 'dmb oshld'
want release 1 'dmb osh'
want store_pair 1 'stp x[0-9]+, x[0-9]+, \[x[0-9]+\]'
want wait_event 1 'wfe'
want now 1 'mrs x[0-9]+, CNTVCT_EL0'
want wait_time 1 '(wfet x0|msr S0_3_C1_C0_0, x0|<unknown>|\.inst 0xd5031000.*|.*d5031000.*)'
if code control | grep -Eq '^str w[0-9]+, \[x[0-9]+\]$'; then echo "the control passed: this check is blind" >&2; failed=1; fi
[ "$failed" = 0 ] && echo "accessors: $(grep -c '>:$' "$work/dump") functions disassembled with $objdump, all as they must be"
exit "$failed"
