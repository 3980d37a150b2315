//! What a guest writes into its STE: accepted exactly if it sets nothing but what is its own; and of an accepted one nothing
//! but that reaches the STE that the SMMU reads.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use smmu_fuzz::caps::AnyCaps;
use smmu_fuzz::ste::{AnyStage2, GUEST_BITS};
use smmu_regs::Caps;
use smmu_ste::SteConfig;
use smmu_ste::ste::{Ats, GuestSte, GuestTranslation, Stage2Config};

#[derive(Debug, Arbitrary)]
struct Input {
    words: [u64; 2],
    /// Only bits that a guest may set.
    tame: bool,
    caps: AnyCaps,
    host: AnyStage2,
}

/// Bits of a nested STE that the host decides in a guest's words: `Config`, and `MEV`, `SHCFG` and `EATS`.
const HOST_BITS: [u64; 2] = [0xe, 1 << 19 | 3 << 44 | 3 << 28];

/// The judgement of a valid STE by the letter of the rule.
fn accepted([zero, one]: [u64; 2]) -> bool {
    let [may_zero, may_one] = GUEST_BITS;
    zero & !may_zero == 0 && one & !may_one == 0 && matches!(zero >> 1 & 7, 0 | 4 | 5) && one >> 28 & 3 <= 1
}

fn nested(caps: &Caps, words: [u64; 2], guest: GuestTranslation, host: Stage2Config) {
    assert_eq!(guest.context_pointer().get(), words[0] & 0x000f_ffff_ffff_ffc0);
    assert_eq!(u64::from(guest.cds_log2()), words[0] >> 59);
    let Ok(both) = (SteConfig::Nested { guest, stage2: host, may_stall: true }).encode(caps) else { return };
    assert!(!both.to_string().is_empty());
    let alone = Stage2Config { ats: Ats::Disabled, ..host };
    let alone = SteConfig::Stage2(alone).encode(caps).expect("stage 2 is good with stage 1, so without");
    let (both, alone) = (both.words(), alone.words());
    assert_eq!(both[2..], alone[2..], "a guest reached the host's words");
    for word in 0..2 {
        let from_guest = GUEST_BITS[word] & !HOST_BITS[word];
        assert_eq!(both[word] & from_guest, words[word] & from_guest);
        let from_host = !(GUEST_BITS[word] | HOST_BITS[word]);
        assert_eq!(both[word] & from_host, alone[word] & from_host);
    }
    // 5.2 EATS.
    let eats = match host.ats {
        Ats::Disabled => 0,
        Ats::Full => 1,
        Ats::SplitStage => 2,
        Ats::Checked(_) => 3,
    };
    assert_eq!((both[0] >> 1 & 7, both[1] >> 28 & 3), (7, eats));
}

fuzz_target!(|input: Input| {
    let Input { mut words, tame, caps, host } = input;
    if tame {
        words = [words[0] & GUEST_BITS[0], words[1] & GUEST_BITS[1]];
    }
    let valid = words[0] & 1 != 0;
    match GuestSte::new(words) {
        Err(error) => assert!(valid && !accepted(words) && !error.to_string().is_empty()),
        Ok(GuestSte::Abort) => assert!(!valid || accepted(words) && words[0] >> 1 & 7 == 0),
        Ok(GuestSte::Bypass) => assert!(accepted(words) && words[0] >> 1 & 7 == 4),
        Ok(ste @ GuestSte::Translate(guest)) => {
            assert!(valid && accepted(words) && words[0] >> 1 & 7 == 5);
            assert_eq!(ste.wants_ats(), words[1] >> 28 & 3 == 1);
            if let Some(caps) = caps.caps() {
                nested(&caps, words, guest, host.0);
            }
        }
    }
});
