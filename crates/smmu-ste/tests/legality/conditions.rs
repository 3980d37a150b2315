//! Every condition under which the SMMU calls an STE or a CD ILLEGAL, and why none can be met: an error with its cause, or
//! no words for it. `facts/illegal.txt` is the list; the table here must have a line for each, and no other.

use crate::setup::*;
use smmu_ste::cd::{BasePermission, CdOptions, CdWorld, PermissionIndirection, Termination};
use smmu_ste::ste::{Overlay, PartitionOf, Stage1Options, Stage2Options, SteOptions};

const FACTS: &str = include_str!("../facts/illegal.txt");

/// Why a condition cannot be met.
#[derive(Debug)]
enum Why {
    /// Asked for, it is this error.
    Ste(SteError),
    /// Asked for, it is this error.
    Cd(CdError),
    /// The types have no words for it.
    NoWords,
    /// Of another Security state: `tests/security.rs` asks for each.
    OtherState,
}

impl Why {
    /// The name of the error.
    fn cause(&self) -> Option<String> {
        let text = match self {
            Self::Ste(error) => format!("{error:?}"),
            Self::Cd(error) => format!("{error:?}"),
            Self::NoWords | Self::OtherState => return None,
        };
        Some(text.split([' ', '(', '{']).next().unwrap().to_owned())
    }
}

/// What the conditions that can be asked for are refused with, in their order.
const STE_CAUSES: [&str; 25] = [
    "Unsupported",
    "Unsupported",
    "SplitStageAts",
    "StallWithAts",
    "DptWorld",
    "StallWithAts",
    "Stall",
    "CdTable",
    "Unsupported",
    "TooHigh",
    "Stall",
    "Stall",
    "HardwareUpdate",
    "HardwareUpdate",
    "HardwareUpdate",
    "Granule",
    "TooHigh",
    "InputSize",
    "Walk",
    "Endianness",
    "Endianness",
    "OverlayWithoutIndirection",
    "OverlayWithHardwareBits",
    "Vmid",
    "TooHigh",
];
/// The same of CDs.
const CD_CAUSES: [&str; 13] = [
    "StallRefused",
    "Termination",
    "Stall",
    "Stall",
    "Endianness",
    "HardwareUpdate",
    "HardwareUpdate",
    "HardwareUpdate",
    "Asid",
    "InputSize",
    "TooHigh",
    "TooHigh",
    "WritableExecutable",
];

fn conditions(section: &str) -> Vec<&'static str> {
    let lines = FACTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut inside = false;
    let header = format!("[{section}]");
    lines
        .filter(|line| {
            if line.starts_with('[') {
                inside = *line == header;
                return false;
            }
            inside
        })
        .collect()
}

fn check(section: &str, table: &[(&str, Why)]) {
    let listed: Vec<&str> = table.iter().map(|(condition, _)| *condition).collect();
    assert_eq!(listed, conditions(section));
}

fn ste_error(result: Result<Words, SteError>) -> Why {
    Why::Ste(result.map(|words| panic!("legal: {words:x?}")).unwrap_err())
}

fn cd_error(result: Result<Words, CdError>) -> Why {
    Why::Cd(result.map(|words| panic!("legal: {words:x?}")).unwrap_err())
}

/// [`STAGE2`] with options, on an SMMU with everything.
fn stage2_with(caps: &Caps, change: impl Fn(&mut Stage2Options)) -> Result<Words, SteError> {
    let mut options = SteOptions::default();
    change(&mut options.stage2);
    SteConfig::Stage2(STAGE2).encode_with(caps, &options).map(|ste| ste.words())
}

fn cd_with(caps: &Caps, change: impl Fn(&mut CdOptions)) -> Result<Words, CdError> {
    let mut options = CdOptions::default();
    change(&mut options);
    CD.encode_with(caps, &options).map(|cd| cd.words())
}

/// IDR3 with permission indirection at both stages, overlays and PBHA (which needs HAD).
fn indirection() -> Caps {
    altered(3, 0, 1 << 2 | 1 << 3 | 1 << 18 | 1 << 19 | 1 << 20)
}

fn indirect(unprivileged: BasePermission, privileged: BasePermission) -> Option<PermissionIndirection> {
    let mut all = PermissionIndirection::default();
    (all.unprivileged[3], all.privileged[3]) = (unprivileged, privileged);
    Some(all)
}

#[test]
fn no_illegal_ste_can_be_made() {
    let caps = example();
    let indirection = indirection();
    assert!(indirection.has(Feature::S2PermissionOverlay) && indirection.has(Feature::Pbha));
    let (only1, only2) = (altered(0, 1 | 1 << 9, 0), altered(0, 1 << 1 | 1 << 9 | 1 << 19, 0));
    let (terminate_only, forced) = (altered(0, 0, 1 << 24), altered(0, 0, 2 << 24));
    // DPT needs ATS, which the example has.
    let dpt = altered(3, 0, 1 << 15);
    assert!(dpt.has(Feature::Dpt));
    let checked = Ats::Checked(smmu_ste::ste::DptMatch::Shared);
    let stalling = |ats| {
        move |s: &mut Stage2Config| {
            s.faults = FaultMode::Stall;
            s.ats = ats;
        }
    };
    let ha = UpdateFlags { access_flag: true, dirty: false, table_access_flag: false };
    let hd = UpdateFlags { access_flag: true, dirty: true, table_access_flag: false };
    let haft = UpdateFlags { access_flag: false, dirty: false, table_access_flag: true };
    let updating = |httu: u32, update| stage2(&altered(0, 3 << 6, httu << 6), |s| s.regime.update = update);
    let high = PhysAddr::new(1 << 50);
    let small = altered(5, 7, 4);
    let mpam = altered(3, 0, 1 << 7);
    assert!(mpam.has(Feature::Mpam));
    let vms = |address| {
        let partition = PartitionOf::CdThroughVms(address);
        let options =
            SteOptions { stage1: Stage1Options { partition, ..Default::default() }, ..Default::default() };
        let nested = SteConfig::Nested { guest: guest(GUEST), stage2: STAGE2, may_stall: true };
        nested.encode_with(&mpam, &options).map(|ste| ste.words())
    };
    assert!(vms(PhysAddr::new(0x4000)).is_ok());
    let big = stage2_with(&altered(0, 3 << 21, 2 << 21), |s| s.big_endian = true);
    let overlay = |s: &mut Stage2Options| s.overlays = Some([Overlay::ReadOnly; 16]);
    assert!(matches!(Overlay::ALL.map(|o| o as u8), [0, 2, 3, 4, 6..=15, ..]));

    use Why::{NoWords, OtherState};
    let table = [
        // V is set in every STE that is made.
        ("V == 0", NoWords),
        ("CONFIG <= 3", NoWords), // 0, which is legal; not 1 to 3
        ("s1 and IDR0.S1P == 0", ste_error(stage1(&only2, |_| ()))),
        ("s2 and IDR0.S2P == 0", ste_error(stage2(&only1, |_| ()))),
        ("s2 and sec == 'S' and S_IDR1.SEL2 == 0", OtherState),
        ("s2 and v32 and sec != 'NS'", OtherState),
        (
            "ats_here and CONFIG in (5, 6, 7) and EATS == 2 and (CONFIG != 7 or S2S == 1 or IDR0.NS1ATS == 1)",
            {
                assert_eq!(nested(&caps, stalling(Ats::SplitStage)), Err(SteError::StallWithAts));
                let no_split = altered(0, 0, 1 << 11);
                let needs = Feature::SplitStageAts;
                assert_eq!(
                    nested(&no_split, |s| s.ats = Ats::SplitStage),
                    Err(SteError::Unsupported { needs })
                );
                ste_error(stage1(&caps, |s| s.ats = Ats::SplitStage))
            },
        ),
        (
            "ats_here and CONFIG in (5, 6, 7) and EATS == 1 and S2S == 1 and s2",
            ste_error(stage2(&caps, stalling(Ats::Full))),
        ),
        // S2S is 0 in a stage-1-only STE.
        ("ats_here and CONFIG == 5 and EATS == 1 and S2S == 1 and ver == 0", NoWords),
        (
            "ats_here and CONFIG in (5, 6, 7) and EATS == 3 and dpt_here and strw_used and STRW != 0",
            ste_error(stage1(&dpt, |s| {
                s.world = StreamWorld::El2;
                s.ats = checked;
            })),
        ),
        (
            "ats_here and CONFIG in (5, 6, 7) and EATS == 3 and dpt_here and s2 and S2S == 1",
            ste_error(stage2(&dpt, stalling(checked))),
        ),
        (
            "sec == 'R' and ats_here and CONFIG in (5, 6, 7) and EATS == 3 and R_IDR3.DPT == 1 and DPT_VMATCH != 0",
            OtherState,
        ),
        ("sec != 'S' and strw_used and STRW in (1, 3)", NoWords),
        ("sec == 'S' and strw_used and STRW == 3", OtherState),
        ("sec == 'S' and strw_used and STRW == 1 and IDR0.RME_IMPL == 1", OtherState),
        ("sec == 'S' and CONFIG == 5 and STRW == 2 and S_IDR1.SEL2 == 0", OtherState),
        ("s1 and S1STALLD == 1 and sec == 'NS' and stall_ns != 0", {
            // Not asked for by anyone: the encoder knows when to set it. A guest's is judged.
            for caps in [&terminate_only, &forced] {
                assert_eq!(stage1(caps, |_| ()).unwrap()[1] >> 27 & 1, 0);
            }
            Why::Ste(guest([GUEST[0], GUEST[1] | 1 << 27]).check(&forced).unwrap_err())
        }),
        ("s1 and S1STALLD == 1 and sec == 'S' and S_IDR0.STALL_MODEL != 0", OtherState),
        ("s1 and S1STALLD == 1 and sec == 'R' and R_IDR0.STALL_MODEL == 1", OtherState),
        (
            "s1 and IDR1.SSIDSIZE != 0 and S1CDMAX > IDR1.SSIDSIZE",
            ste_error(stage1(&altered(1, 0x1f << 6, 8 << 6), |s| s.cd_table.cds_log2 = 9)),
        ),
        (
            "s1 and IDR1.SSIDSIZE != 0 and S1CDMAX != 0 and IDR0.CD2L == 0 and S1FMT in (1, 2)",
            ste_error(stage1(&altered(0, 1 << 19, 0), |_| ())),
        ),
        ("s1 and s1ptr_oob()", ste_error(stage1(&small, |s| s.cd_table.base = high))),
        ("s2 and v32 and IDR3.FWB == 1 and S2FWB == 1", NoWords),
        (
            "s2 and S2S == 1 and stall_ns == 1",
            ste_error(stage2(&terminate_only, |s| s.faults = FaultMode::Stall)),
        ),
        ("s2 and S2S == 1 and sec == 'R' and R_IDR0.STALL_MODEL == 1", OtherState),
        ("s2 and S2S == 0 and stall_ns == 2", ste_error(stage2(&forced, |_| ()))),
        ("s2 and v32 and IDR0.TTF & 1 == 0", NoWords),
        // An SMMU without VMSAv8-64 is not probed.
        ("s2 and v64 and IDR0.TTF & 2 == 0", NoWords),
        ("s2 and (S2HA == 1 or S2HD == 1) and (v32 or IDR0.HTTU == 0)", ste_error(updating(0, ha))),
        ("s2 and S2HD == 1 and IDR0.HTTU == 1", ste_error(updating(1, hd))),
        ("s2 and S2HAFT == 1 and S2HA == 0 and IDR0.HTTU == 3", ste_error(updating(3, haft))),
        ("s2 and not v32 and not granule_ok(S2TG)", ste_error(stage2(&altered(5, 1 << 4, 0), |_| ()))),
        ("s2 and ttb_oob(S2TTB, S2TG)", ste_error(stage2(&caps, |s| s.regime.ttb = high))),
        ("s2 and not v32 and t0sz_oob(S2T0SZ, S2TG)", ste_error(stage2(&caps, |s| s.regime.input_bits = 49))),
        (
            "s2 and walk_bad(S2T0SZ, S2SL0 | S2SL0_2 << 2, S2TG, S2SKL)",
            ste_error(stage2(&caps, |s| s.regime.input_bits = 44)),
        ),
        ("s2 and sec == 'S' and not granule_ok(S_S2TG)", OtherState),
        ("s2 and sec == 'S' and ttb_oob(S_S2TTB, S_S2TG)", OtherState),
        ("s2 and sec == 'S' and t0sz_oob(S_S2T0SZ, S_S2TG)", OtherState),
        ("s2 and sec == 'S' and walk_bad(S_S2T0SZ, S_S2SL0 | S_S2SL0_2 << 2, S_S2TG, S_S2SKL)", OtherState),
        ("s2 and S2ENDI == 1 and IDR0.TTENDIAN == 2", ste_error(big)),
        ("s2 and S2ENDI == 0 and IDR0.TTENDIAN == 3", {
            let big_only = big_endian_only();
            assert!(stage2_with(&big_only, |s| s.big_endian = true).is_ok());
            assert_eq!(stage2_with(&big_only, |_| ()), Err(SteError::Endianness { big: false }));
            ste_error(stage2(&big_only, |_| ()))
        }),
        ("s2 and IDR3.S2PI == 1 and S2PIE == 1 and v32", NoWords),
        (
            "s2 and IDR3.S2PO == 1 and S2POE == 1 and S2PIE == 0 and not v128",
            ste_error(stage2_with(&indirection, overlay)),
        ),
        (
            "s2 and IDR3.S2PO == 1 and S2POE == 1 and IDR3.PBHA == 1 and (S2HWU59 or S2HWU60 or S2HWU61 or S2HWU62)",
            ste_error(stage2_with(&indirection, |s| {
                overlay(s);
                s.permission_indirection = true;
                s.hardware_bits[2] = true;
            })),
        ),
        ("s2 and IDR3.S2PO == 1 and S2POE == 1 and any(n in (1, 5) for n in nibbles(S2POI))", NoWords),
        (
            "not s2vmid_ignored and IDR0.VMID16 == 0 and S2VMID >= 256",
            ste_error(stage2(&altered(0, 1 << 18, 0), |s| s.vmid = Vmid::new(256))),
        ),
        (
            "CONFIG == 7 and S1MPAM == 1 and vms_supported() and partid_nonzero() and vmsptr_oob()",
            ste_error(vms(PhysAddr::new(1 << 52))),
        ),
        // What words can be, the round trips show.
        ("reserved_bits_nonzero()", NoWords),
    ];
    check("ste", &table);
    let causes: Vec<String> = table.iter().filter_map(|(_, why)| why.cause()).collect();
    assert_eq!(causes, STE_CAUSES);
}

/// Little-endian is what everything else here writes, so probing refuses an SMMU that cannot; the encoder does too.
fn big_endian_only() -> Caps {
    let mut caps = example();
    caps.table_endianness = smmu_regs::caps::TableEndianness::Big;
    caps
}

#[test]
fn no_illegal_cd_can_be_made() {
    let caps = example();
    let indirection = indirection();
    let (terminate_only, forced) = (altered(0, 0, 1 << 24), altered(0, 0, 2 << 24));
    let updating = |httu: u32, update| cd(&altered(0, 3 << 6, httu << 6), |cd| cd.regime.update = update);
    let ha = UpdateFlags { access_flag: true, dirty: false, table_access_flag: false };
    let hd = UpdateFlags { access_flag: true, dirty: true, table_access_flag: false };
    let haft = UpdateFlags { access_flag: false, dirty: false, table_access_flag: true };
    let lower = |change: fn(&mut TableBase)| {
        cd(&caps, |cd| {
            let mut base = LOWER;
            change(&mut base);
            cd.regime.ttb0 = Some(base);
        })
    };
    let upper = |change: fn(&mut TableBase)| {
        cd(&caps, |cd| {
            let mut base = UPPER;
            change(&mut base);
            cd.regime.ttb1 = Some(base);
        })
    };
    use BasePermission::{ReadExecute, ReadWrite};
    use Why::NoWords;
    let table = [
        ("V == 0", NoWords),
        ("STE.S1STALLD == 1 and S == 1", {
            let stalling = CdConfig { faults: CdFaultMode::Stall, ..CD }.encode(&caps).unwrap();
            let ste =
                |may_stall| SteConfig::Stage1(Stage1Config { may_stall, ..STAGE1 }).encode(&caps).unwrap();
            assert_eq!(stalling.check_through(&ste(true)), Ok(()));
            assert_eq!(CD.encode(&caps).unwrap().check_through(&ste(false)), Ok(()));
            Why::Cd(stalling.check_through(&ste(false)).unwrap_err())
        }),
        ("IDR0.TERM_MODEL == 1 and A == 0", {
            let zero = |cd: &mut CdOptions| cd.termination = Termination::ZeroAndIgnore;
            assert_eq!(cd_with(&caps, zero).unwrap()[0] >> 46 & 1, 0);
            cd_error(cd_with(&altered(0, 0, 1 << 26), zero))
        }),
        ("stall == 1 and S == 1", cd_error(cd(&terminate_only, |cd| cd.faults = CdFaultMode::Stall))),
        ("stall == 2 and S == 0", cd_error(cd(&forced, |_| ()))),
        (
            "(not off0 or not off1) and ((IDR0.TTENDIAN == 2 and ENDI == 1) or (IDR0.TTENDIAN == 3 and ENDI == 0))",
            {
                let big_only = big_endian_only();
                assert_eq!(cd(&big_only, |_| ()), Err(CdError::Endianness { big: false }));
                assert!(cd_with(&big_only, |cd| cd.big_endian = true).is_ok());
                assert!(cd(&big_only, |cd| cd.regime.ttb0 = None).is_ok(), "no walks");
                cd_error(cd_with(&altered(0, 3 << 21, 2 << 21), |cd| cd.big_endian = true))
            },
        ),
        ("v32 and (IDR0.TTF & 1 == 0 or world in ('EL3', 'E2H'))", NoWords),
        ("v32 and sec == 'S' and world == 'EL2'", NoWords),
        // Neither an SMMU without VMSAv8-64 nor a stage 2 that is not VMSAv8-64 can be had.
        (
            "v64 and (IDR0.TTF & 2 == 0 or (STE.CONFIG in (6, 7) and STE.S2AA64 == 0 and IDR5.D128 == 0))",
            NoWords,
        ),
        ("not v32 and (HA == 1 or HD == 1) and IDR0.HTTU == 0", cd_error(updating(0, ha))),
        ("not v32 and HD == 1 and IDR0.HTTU == 1", cd_error(updating(1, hd))),
        ("not v32 and HAFT == 1 and HA == 0 and IDR0.HTTU == 3", cd_error(updating(3, haft))),
        (
            "two_tt and IDR0.ASID16 == 0 and ASID >= 256",
            cd_error(cd(&altered(0, 1 << 12, 0), |cd| cd.asid = Asid::new(256))),
        ),
        ("not v32 and ((not off0 and txsz_oob(T0SZ, g0)) or (not off1 and txsz_oob(T1SZ, g1)))", {
            assert!(matches!(upper(|base| base.input_bits = 49), Err(CdError::InputSize { .. })));
            cd_error(lower(|base| base.input_bits = 49))
        }),
        ("not off0 and ((not v32 and not granule_ok(g0)) or ttb_oob(TTB0, g0))", {
            assert!(cd(&altered(5, 1 << 4, 0), |_| ()).is_err());
            cd_error(lower(|base| base.base = PhysAddr::new(1 << 50)))
        }),
        ("not off1 and ((not v32 and not granule_ok(g1)) or ttb_oob(TTB1, g1))", {
            assert!(cd(&altered(5, 1 << 5, 0), |cd| cd.regime.ttb1 = Some(UPPER)).is_err());
            cd_error(upper(|base| base.base = PhysAddr::new(1 << 50)))
        }),
        ("v128 and STE.S1PIE == 0", NoWords),
        ("v128 and world == 'EL2'", NoWords),
        (
            "v128 and ((not off0 and skl_bad(SKL0, T0SZ, g0)) or (not off1 and skl_bad(SKL1, T1SZ, g1)))",
            NoWords,
        ),
        ("pi and any(p in (4, 6) for p in triples(PIIP))", NoWords),
        ("pi and two_tt and any(u in (4, 6) for u in triples(PIIU))", NoWords),
        ("pi and two_tt and any(p & 2 and u & 4 for p, u in zip(triples(PIIP), triples(PIIU)))", {
            let with =
                |user, kernel| cd_with(&indirection, |cd| cd.permission_indirection = indirect(user, kernel));
            assert!(with(ReadWrite, ReadWrite).is_ok() && with(ReadExecute, ReadExecute).is_ok());
            assert_eq!(with(ReadWrite, ReadExecute), Err(CdError::WritableExecutable { index: 3 }));
            cd_error(with(ReadWrite, BasePermission::Execute))
        }),
        ("reserved_bits_nonzero()", NoWords),
    ];
    check("cd", &table);
    let causes: Vec<String> = table.iter().filter_map(|(_, why)| why.cause()).collect();
    assert_eq!(causes, CD_CAUSES);
}

/// A world with one half: what is RES0 or ignored there cannot be asked for, and `EPD0` does not help.
#[test]
fn worlds_with_one_half() {
    let caps = altered(3, 0, 1 << 2 | 1 << 13 | 1 << 17);
    let one = |change: fn(&mut CdConfig), options: fn(&mut CdOptions)| {
        let (mut config, mut with) = (CD, CdOptions { world: CdWorld::OneHalf, ..CdOptions::default() });
        change(&mut config);
        options(&mut with);
        config.encode_with(&caps, &with).map(|_| ())
    };
    let no_effect = |field| Err(CdError::NoEffect { field });
    assert_eq!(one(|_| (), |_| ()), Ok(()));
    assert_eq!(one(|cd| cd.regime.ttb0 = None, |_| ()), Err(CdError::NoLowerHalf));
    assert_eq!(one(|cd| cd.regime.ttb1 = Some(UPPER), |_| ()), Err(CdError::UpperHalf));
    assert_eq!(one(|_| (), |cd| cd.privileged_access_never = true), no_effect("PAN"));
    assert_eq!(one(|_| (), |cd| cd.upper.top_byte_ignored = true), no_effect("TBI"));
    assert_eq!(one(|_| (), |cd| cd.upper.hierarchy_disabled = true), no_effect("HAD"));
    assert_eq!(one(|_| (), |cd| cd.lower.unprivileged_faults = true), no_effect("E0PD"));
    assert_eq!(one(|_| (), |cd| cd.lower.top_byte_ignored = true), Ok(()));
}
