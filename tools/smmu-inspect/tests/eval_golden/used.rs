//! Which bits of a non-secure STE or CD hardware uses: `used_bits.toml` written out by hand for the SMMU that the vectors
//! assume (IHI 0070 5.2, 5.4, 13.5). Nothing here comes from the crates.
//!
//! That SMMU: both stages, HYP, ATS, PRI without PPS, SSIDSIZE 20, both overrides, FWB, HAD, E0PD, minor version 3; no MPAM,
//! PBHA, DPT, THE, permission indirection or overlay, AIE, EPAN, DS, D128, VMSAv8-32. STEs: HTTU 2. CDs: HTTU 3.

use super::records::{bits, mask};

type Words = [u64; 8];

fn collect(rows: &[(usize, u32, u32, bool)]) -> Words {
    let mut used = [0; 8];
    for (word, msb, lsb, when) in rows {
        if *when {
            used[*word] |= mask(*msb, *lsb);
        }
    }
    used
}

/// The bits of an STE.
pub(crate) fn ste(words: &Words) -> Words {
    let valid = words[0] & 1 == 1;
    let config = if valid { bits(words[0], 3, 1) } else { 0 };
    let (pass, s1, s2) = (config >= 4, matches!(config, 5 | 7), matches!(config, 6 | 7));
    let substreams = s1 && bits(words[0], 63, 59) != 0;
    let skips = substreams && bits(words[1], 1, 0) == 1;
    let in_attributes = pass && (!s1 || skips);
    let strw_used = s1 && !s2;
    let el1 = (s1 || s2) && !(strw_used && bits(words[1], 31, 30) != 0);
    let cacheable = bits(words[1], 5, 2) != 0;
    let s2aa64 = bits(words[2], 51, 51) == 1;
    collect(&[
        (0, 0, 0, true),                                  // V
        (0, 3, 1, valid),                                 // CONFIG
        (0, 5, 4, substreams),                            // S1FMT
        (0, 55, 6, s1),                                   // S1CONTEXTPTR
        (0, 63, 59, s1),                                  // S1CDMAX
        (1, 1, 0, substreams),                            // S1DSS
        (1, 5, 2, s1),                                    // S1CIR, S1COR
        (1, 7, 6, s1 && cacheable),                       // S1CSH
        (1, 12, 12, s1 || s2),                            // DRE
        (1, 17, 17, s1 || s2),                            // DCP
        (1, 18, 18, pass),                                // PPAR
        (1, 19, 19, pass),                                // MEV
        (1, 25, 25, s2),                                  // S2FWB
        (1, 27, 27, s1),                                  // S1STALLD
        (1, 29, 28, s1 || s2),                            // EATS
        (1, 31, 30, strw_used),                           // STRW
        (1, 35, 32, pass && bits(words[1], 36, 36) == 1), // MEMATTR
        (1, 36, 36, pass),                                // MTCFG
        (1, 40, 37, pass),                                // ALLOCCFG
        (1, 45, 44, in_attributes),                       // SHCFG
        (1, 51, 48, pass),                                // PRIVCFG, INSTCFG
        (2, 15, 0, el1),                                  // S2VMID
        (2, 37, 32, s2),                                  // S2T0SZ
        (2, 39, 38, s2),                                  // S2SL0
        (2, 45, 40, s2),                                  // S2IR0, S2OR0, S2SH0
        (2, 50, 46, s2 && s2aa64),                        // S2TG, S2PS: not VMSAv8-32
        (2, 52, 51, s2),                                  // S2AA64, S2ENDI
        (2, 53, 53, s2 && bits(words[2], 56, 56) == 0),   // S2AFFD
        (2, 54, 54, config == 7),                         // S2PTW
        (2, 57, 55, s2),                                  // S2HD, S2HA, S2S
        (2, 58, 58, s2 && bits(words[2], 57, 57) == 0),   // S2R
        (3, 55, 4, s2),                                   // S2TTB
    ])
}

/// The bits that may change at any moment: `free` in `used_bits.toml`, and bit 0 of EATS where neither split-stage ATS nor
/// stage-2 stalls can make an illegal combination of it (5.2 EATS, 3.9.2).
pub(crate) fn ste_free(current: &Words, target: &Words) -> Words {
    let eats = |words: &Words| bits(words[1], 29, 29) == 0 && bits(words[2], 57, 57) == 0;
    let mut free = mask(17, 17) | mask(19, 19) | mask(40, 37); // DCP, MEV, ALLOCCFG
    if eats(current) && eats(target) {
        free |= mask(28, 28);
    }
    [0, free, 0, 0, 0, 0, 0, 0]
}

/// The bits of a CD of the worlds EL1 and EL2-E2H.
pub(crate) fn cd(words: &Words) -> Words {
    let valid = bits(words[0], 31, 31) == 1;
    let off0 = bits(words[0], 14, 14) == 1;
    let off1 = bits(words[0], 30, 30) == 1;
    let v64 = bits(words[0], 41, 41) == 1;
    let mut used = collect(&[
        (0, 5, 0, !off0),                                 // T0SZ
        (0, 7, 6, !off0 && v64),                          // TG0
        (0, 13, 8, !off0),                                // IR0, OR0, SH0
        (0, 14, 14, true),                                // EPD0
        (0, 15, 15, !(off0 && off1)),                     // ENDI
        (0, 21, 16, !off1),                               // T1SZ
        (0, 23, 22, !off1 && v64),                        // TG1
        (0, 29, 24, !off1),                               // IR1, OR1, SH1
        (0, 30, 30, true),                                // EPD1
        (0, 34, 32, v64),                                 // IPS
        (0, 35, 35, !v64 || bits(words[0], 43, 43) == 0), // AFFD
        (0, 36, 36, true),                                // WXN
        (0, 37, 37, !v64),                                // UWXN
        (0, 41, 38, true),                                // TBI0, TBI1, PAN, AA64
        (0, 43, 42, v64),                                 // HD, HA
        (0, 44, 44, true),                                // S
        (0, 45, 45, bits(words[0], 44, 44) == 0),         // R
        (0, 63, 46, true),                                // A, ASET, ASID
        (1, 1, 1, true),                                  // HAD0
        (1, 2, 2, v64),                                   // E0PD0
        (1, 3, 3, v64),                                   // HAFT
        (1, 55, 4, !off0),                                // TTB0
        (2, 1, 1, true),                                  // HAD1
        (2, 2, 2, v64),                                   // E0PD1
        (2, 55, 4, !off1),                                // TTB1
        (3, 63, 0, true),                                 // MAIR
        (4, 63, 0, true),                                 // AMAIR
    ]);
    if !valid {
        used = [0; 8];
    }
    used[0] |= mask(31, 31); // V
    used
}
