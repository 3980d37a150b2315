//! Stage-2 and stage-1 geometries against the tables of the manual, and where tables may lie.

use crate::setup::*;

/// What a row of the tables of DDI 0487 D8.2 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    /// The effective `DS` is 1.
    Ds,
    /// FEAT_TTST: `IDR3.STT`.
    SmallTables,
}

/// DDI 0487 tables D8-20 to D8-24, D8-30 to D8-33, D8-39 to D8-41: log2 of the granule, start level, first and last T0SZ,
/// tables, need. (FEAT_LPA, asked for by T0SZ 12 to 15 with 64K pages, is a 52-bit IAS.)
pub(crate) const STAGE2_WALKS: &[(u32, i32, u32, u32, u32, Need)] = &[
    (12, -1, 12, 15, 1, Need::Ds),
    (12, 0, 16, 24, 1, Need::Nothing),
    (12, 0, 15, 15, 2, Need::Ds),
    (12, 0, 14, 14, 4, Need::Ds),
    (12, 0, 13, 13, 8, Need::Ds),
    (12, 0, 12, 12, 16, Need::Ds),
    (12, 1, 25, 33, 1, Need::Nothing),
    (12, 1, 24, 24, 2, Need::Nothing),
    (12, 1, 23, 23, 4, Need::Nothing),
    (12, 1, 22, 22, 8, Need::Nothing),
    (12, 1, 21, 21, 16, Need::Nothing),
    (12, 2, 40, 42, 1, Need::SmallTables),
    (12, 2, 34, 39, 1, Need::Nothing),
    (12, 2, 33, 33, 2, Need::Nothing),
    (12, 2, 32, 32, 4, Need::Nothing),
    (12, 2, 31, 31, 8, Need::Nothing),
    (12, 2, 30, 30, 16, Need::Nothing),
    (12, 3, 43, 48, 1, Need::SmallTables),
    (12, 3, 42, 42, 2, Need::SmallTables),
    (12, 3, 41, 41, 4, Need::SmallTables),
    (12, 3, 40, 40, 8, Need::SmallTables),
    (12, 3, 39, 39, 16, Need::SmallTables),
    (14, 0, 12, 16, 1, Need::Ds),
    (14, 1, 17, 27, 1, Need::Nothing),
    (14, 1, 16, 16, 2, Need::Nothing),
    (14, 1, 15, 15, 4, Need::Ds),
    (14, 1, 14, 14, 8, Need::Ds),
    (14, 1, 13, 13, 16, Need::Ds),
    (14, 2, 28, 38, 1, Need::Nothing),
    (14, 2, 27, 27, 2, Need::Nothing),
    (14, 2, 26, 26, 4, Need::Nothing),
    (14, 2, 25, 25, 8, Need::Nothing),
    (14, 2, 24, 24, 16, Need::Nothing),
    (14, 3, 40, 48, 1, Need::SmallTables),
    (14, 3, 39, 39, 1, Need::Nothing),
    (14, 3, 38, 38, 2, Need::Nothing),
    (14, 3, 37, 37, 4, Need::Nothing),
    (14, 3, 36, 36, 8, Need::Nothing),
    (14, 3, 35, 35, 16, Need::Nothing),
    (16, 1, 12, 15, 1, Need::Nothing),
    (16, 1, 16, 21, 1, Need::Nothing),
    (16, 2, 22, 34, 1, Need::Nothing),
    (16, 2, 21, 21, 2, Need::Nothing),
    (16, 2, 20, 20, 4, Need::Nothing),
    (16, 2, 19, 19, 8, Need::Nothing),
    (16, 2, 18, 18, 16, Need::Nothing),
    (16, 3, 40, 47, 1, Need::SmallTables),
    (16, 3, 35, 39, 1, Need::Nothing),
    (16, 3, 34, 34, 2, Need::Nothing),
    (16, 3, 33, 33, 4, Need::Nothing),
    (16, 3, 32, 32, 8, Need::Nothing),
    (16, 3, 31, 31, 16, Need::Nothing),
];

/// The output size below which a start level is reserved (DDI 0487 J1.1 `AArch64.S2InvalidSL`).
fn output_bits_needed(granule: u32, level: i32) -> u32 {
    match (granule, level) {
        (12, -1) | (14, 0) => 52,
        (12, 0) | (16, 1) => 44,
        (14, 1) => 42,
        _ => 0,
    }
}

/// Number of tables at the start level, if the combination is legal on an SMMU of version 3.1 or later.
fn stage2_tables(granule: u32, level: i32, t0sz: u32, smmu: &Smmu, ds: bool) -> Option<u32> {
    // 5.2 S2T0SZ.
    let ias = if smmu.aarch32 { smmu.oas.max(40) } else { smmu.oas };
    let max = match (smmu.small_tables, granule) {
        (false, _) => 39,
        (true, 16) => 47,
        (true, _) => 48,
    };
    let min = if granule == 16 || ds { 12 } else { 16 }.max(64_u32.saturating_sub(ias));
    if t0sz < min || t0sz > max || smmu.oas < output_bits_needed(granule, level) || ds && granule == 16 {
        return None;
    }
    let row = STAGE2_WALKS
        .iter()
        .find(|row| (row.0, row.1) == (granule, level) && (row.2..=row.3).contains(&t0sz))?;
    let met = match row.5 {
        Need::Nothing => true,
        Need::Ds => ds && smmu.ds,
        Need::SmallTables => smmu.small_tables,
    };
    (met && (!ds || smmu.ds)).then_some(row.4)
}

/// What `IDR5.D128` includes (IHI 0070 6.3.6): `S1PI`, `S2PI`, `S2PO`, `MTEPERM`, `AIE`.
const WITH_D128: u32 = 1 << 18 | 1 << 19 | 1 << 20 | 1 << 22 | 1 << 23;

#[derive(Debug, Clone, Copy)]
struct Smmu {
    oas: u32,
    small_tables: bool,
    ds: bool,
    aarch32: bool,
}

impl Smmu {
    fn all() -> impl Iterator<Item = (Self, Caps)> {
        (0..64).filter_map(|number: u32| {
            let (code, small_tables) = (number & 7, number & 8 != 0);
            let (ds, aarch32) = (number & 16 != 0, number & 32 != 0);
            // 56 bits need D128, which excludes VMSAv8-32.
            let d128 = code == 7;
            if d128 && aarch32 {
                return None;
            }
            let mut ids = IdRegisters::EXAMPLE;
            ids.idr0 = Idr0::from_bits(ids.idr0.into_bits() | u32::from(aarch32) << 2);
            ids.idr3 = Idr3::from_bits(ids.idr3.into_bits() & !(1 << 9) | u32::from(small_tables) << 9);
            ids.idr3 = Idr3::from_bits(ids.idr3.into_bits() | if d128 { WITH_D128 } else { 0 });
            let idr5 = ids.idr5.into_bits() & !7 | code | u32::from(ds) << 7 | u32::from(d128) << 8;
            ids.idr5 = Idr5::from_bits(idr5);
            let oas = [32, 36, 40, 42, 44, 48, 52, 56][code as usize];
            Some((Self { oas, small_tables, ds, aarch32 }, caps_of(&ids)))
        })
    }
}

#[test]
fn stage_2_geometries_are_those_of_the_manual() {
    let mut legal = 0;
    for (smmu, caps) in Smmu::all() {
        let ps = AddressSize::from_bits(smmu.oas.min(48)).unwrap();
        for granule in Granule::ALL {
            for (bits, number, ds) in
                (10_u8..=56).flat_map(|bits| (-1..=3).flat_map(move |n| [(bits, n, false), (bits, n, true)]))
            {
                let t0sz = 64 - u32::from(bits);
                let expected = stage2_tables(granule.shift(), number, t0sz, &smmu, ds);
                let encode = |ttb: u64| {
                    stage2(&caps, |s| {
                        s.regime = Stage2Regime {
                            ttb: PhysAddr::new(ttb),
                            granule,
                            input_bits: bits,
                            start_level: Level::new(number).unwrap(),
                            ps,
                            ds,
                            ..REGIME2
                        }
                    })
                };
                let context = || format!("{granule} {bits} bits, level {number}, DS {ds}, {smmu:?}");
                let result = encode(0);
                let Some(tables) = expected else {
                    let error = result.expect_err(&context());
                    let fits = matches!(
                        error,
                        SteError::InputSize { .. }
                            | SteError::Walk(_)
                            | SteError::StartLevel { .. }
                            | SteError::DsWith64K
                            | SteError::Unsupported { needs: Feature::Ds }
                    );
                    assert!(fits, "{error:?}: {}", context());
                    continue;
                };
                legal += 1;
                let words = result.unwrap_or_else(|error| panic!("{error}: {}", context()));
                // The walk from the codes alone (DDI 0487 J1.1 `S2StartLevel`, `S2TTBaseAddress`).
                let (sl0, sl2) = (words[2] >> 38 & 3, words[3] >> 2 & 1);
                let level = match (granule, sl2, sl0) {
                    (Granule::Size4K, 1, 0) => -1,
                    (Granule::Size4K, 0, 3) => 3,
                    (Granule::Size4K, 0, sl0) => 2 - sl0 as i32,
                    (_, 0, sl0) => 3 - sl0 as i32,
                    other => panic!("{other:?}: {}", context()),
                };
                assert_eq!(level, number, "{}", context());
                assert_eq!((words[2] >> 32 & 63, words[3] >> 3 & 1), (u64::from(t0sz), u64::from(ds)));
                let levels = u32::try_from(3 - number).unwrap();
                let resolved = u32::from(bits) - (levels * (granule.shift() - 3) + granule.shift());
                assert_eq!(tables.max(1), 1 << resolved.saturating_sub(granule.shift() - 3), "{}", context());
                // The field itself begins at bit 4.
                let align = 1_u64 << (resolved + 3).max(4);
                assert!(encode(align).is_ok(), "{}", context());
                if align > 16 {
                    let address = PhysAddr::new(align / 2);
                    let error = SteError::Misaligned { address, align };
                    assert_eq!(encode(align / 2), Err(error), "{}", context());
                }
            }
        }
    }
    assert!(legal > 3000, "{legal}");
}

#[test]
fn input_size_errors_name_the_limits() {
    for (smmu, caps) in Smmu::all() {
        for granule in Granule::ALL {
            let ias = if smmu.aarch32 { smmu.oas.max(40) } else { smmu.oas };
            let max = ias.min(if granule == Granule::Size64K { 52 } else { 48 });
            let min = match (smmu.small_tables, granule) {
                (false, _) => 25,
                (true, Granule::Size64K) => 17,
                (true, _) => 16,
            };
            for bits in (10..min).chain(max + 1..=56) {
                let result = stage2(&caps, |s| {
                    s.regime.granule = granule;
                    s.regime.ps = AddressSize::from_bits(smmu.oas.min(48)).unwrap();
                    s.regime.input_bits = bits as u8;
                });
                let (bits, min, max) = (bits as u8, min as u8, max as u8);
                assert_eq!(result, Err(SteError::InputSize { bits, min, max }), "{granule} {smmu:?}");
            }
        }
    }
}

/// 5.4 `TxSZ`, and the first-level table of DDI 0487 D8.2, for both halves.
#[test]
fn stage_1_geometries_are_those_of_the_manual() {
    for number in 0_u32..24 {
        let (vax, ds_there, small_tables) = (number % 3, number / 3 % 2 != 0, number / 6 % 2 != 0);
        let d128 = vax == 2;
        if ds_there && vax == 0 {
            continue; // DS needs 52-bit input (IHI 0070 6.3.6).
        }
        let mut ids = IdRegisters::EXAMPLE;
        ids.idr3 = Idr3::from_bits(ids.idr3.into_bits() & !(1 << 9) | u32::from(small_tables) << 9);
        ids.idr3 = Idr3::from_bits(ids.idr3.into_bits() | if d128 { WITH_D128 } else { 0 });
        let idr5 = ids.idr5.into_bits() & !(3 << 10) | vax << 10 | u32::from(ds_there) << 7;
        let idr5 = idr5 | u32::from(d128) << 8;
        ids.idr5 = Idr5::from_bits(idr5);
        let caps = caps_of(&ids);
        for granule in Granule::ALL {
            for (bits, upper, ds) in
                (10_u8..=60).flat_map(|bits| [0, 1, 2, 3].map(|k| (bits, k & 1 != 0, ds_there && k & 2 != 0)))
            {
                if ds && granule == Granule::Size64K {
                    continue;
                }
                let t0sz = 64 - i32::from(bits);
                let max = match (small_tables, granule) {
                    (false, _) => 39,
                    (true, Granule::Size64K) => 47,
                    (true, _) => 48,
                };
                let min = if vax >= 1 && (granule == Granule::Size64K || ds) { 12 } else { 16 };
                let encode = |base: u64| {
                    cd(&caps, |cd| {
                        let half =
                            Some(TableBase { base: PhysAddr::new(base), granule, input_bits: bits, ..LOWER });
                        (cd.regime.ttb0, cd.regime.ttb1) = if upper { (None, half) } else { (half, None) };
                        cd.regime.ds = ds;
                    })
                };
                let context = || format!("{granule} {bits} bits, VAX {vax}, DS {ds}, STT {small_tables}");
                if t0sz < min || t0sz > max {
                    let (min, max) = ((64 - max) as u8, (64 - min) as u8);
                    assert_eq!(encode(0), Err(CdError::InputSize { bits, min, max }), "{}", context());
                    continue;
                }
                let stride = granule.shift() - 3;
                let below = (u32::from(bits) - 1 - granule.shift()) / stride * stride + granule.shift();
                let align = 8_u64 << (u32::from(bits) - below);
                let words = encode(align).unwrap_or_else(|error| panic!("{error}: {}", context()));
                assert_eq!(words[0] >> if upper { 16 } else { 0 } & 63, t0sz as u64);
                if align > 16 {
                    let address = PhysAddr::new(align / 2);
                    assert_eq!(
                        encode(align / 2),
                        Err(CdError::Misaligned { address, align }),
                        "{}",
                        context()
                    );
                }
            }
        }
    }
}

/// "For VMSAv8-64 a 64-byte minimum alignment on starting-level translation table addresses is imposed when the effective
/// STE.S2PS value indicates 52-bit output. In this case bits [5:0] are treated as zero." (5.2 S2TTB; the same in 5.4
/// TTB0.) This holds for 64K pages and with `DS`.
#[test]
fn tables_of_52_bits_are_aligned_to_64_bytes() {
    let caps = large();
    for (granule, bits, start_level, ds) in
        [(Granule::Size64K, 43, Level::ONE, false), (Granule::Size4K, 31, Level::ONE, true)]
    {
        let encode = |ttb, ps| {
            stage2(&caps, |s| {
                let ttb = PhysAddr::new(ttb);
                s.regime = Stage2Regime { ttb, granule, input_bits: bits, start_level, ps, ds, ..REGIME2 };
            })
        };
        assert!(encode(0x1_0010, AddressSize::Bits48).is_ok());
        assert!(encode(0x1_0040, AddressSize::Bits52).is_ok());
        let (address, align) = (PhysAddr::new(0x1_0020), 64);
        assert_eq!(encode(0x1_0020, AddressSize::Bits52), Err(SteError::Misaligned { address, align }));
        let encode = |base, ips| {
            cd(&caps, |cd| {
                let base = PhysAddr::new(base);
                cd.regime.ttb0 = Some(TableBase { base, granule, input_bits: bits, ..LOWER });
                (cd.regime.ips, cd.regime.ds) = (ips, ds);
            })
        };
        assert!(encode(0x1_0010, AddressSize::Bits48).is_ok());
        assert!(encode(0x1_0040, AddressSize::Bits52).is_ok());
        assert_eq!(encode(0x1_0020, AddressSize::Bits52), Err(CdError::Misaligned { address, align }));
    }
}

/// The sentence above says nothing of the granule, so it holds for 4K and 16K tables without `DS` too.
#[test]
fn tables_of_52_bits_without_ds_are_aligned_to_64_bytes() {
    let caps = example();
    let (address, align) = (PhysAddr::new(0x1_0020), 64);
    let ste = stage2(&caps, |s| {
        s.regime = Stage2Regime { ttb: address, input_bits: 31, ps: AddressSize::Bits52, ..REGIME2 };
    });
    let cd = cd(&caps, |cd| {
        cd.regime.ttb0 = Some(TableBase { base: address, input_bits: 31, ..LOWER });
        cd.regime.ips = AddressSize::Bits52;
    });
    let expected = (SteError::Misaligned { address, align }, CdError::Misaligned { address, align });
    assert_eq!((ste, cd), (Err(expected.0), Err(expected.1)));
}

/// VMSAv8-64 has 52 bits of table address; bits 55:52 of the field are RES0 (5.2 S2TTB bits 247:244, 5.4 TTB0 bits
/// 119:116, TTB1), with a 56-bit OAS too.
#[test]
fn no_table_lies_above_52_bits() {
    let mut ids = IdRegisters::EXAMPLE;
    ids.idr3 = Idr3::from_bits(ids.idr3.into_bits() | WITH_D128);
    ids.idr5 = Idr5::from_bits(ids.idr5.into_bits() | 7 | 1 << 8);
    let caps = caps_of(&ids);
    assert_eq!(caps.oas, AddressSize::Bits56);
    let address = PhysAddr::new(1 << 52);
    let ste = stage2(&caps, |s| {
        s.regime = Stage2Regime {
            ttb: address,
            granule: Granule::Size64K,
            start_level: Level::TWO,
            ps: AddressSize::Bits56,
            ..REGIME2
        };
    });
    assert_eq!(ste, Err(SteError::TooHigh { address, size: AddressSize::Bits52 }));
    let cd = cd(&caps, |cd| {
        cd.regime.ttb0 =
            Some(TableBase { base: address, granule: Granule::Size64K, input_bits: 42, ..LOWER });
        cd.regime.ips = AddressSize::Bits56;
    });
    assert_eq!(cd, Err(CdError::TooHigh { address, size: AddressSize::Bits52 }));
}
