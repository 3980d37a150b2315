//! Which inputs are architecturally wrong, by rules written from the text: independent of the crates, so that an answer with
//! an error can be told from a mistake. Each gives the rule that the input breaks.

use super::records::{bits, mask, number};
use serde_json::Value;

/// A broken rule.
pub(crate) type Rule = Option<&'static str>;

/// Inputs of a record.
struct Input<'a>(&'a Value);

impl Input<'_> {
    fn of(&self, key: &str) -> u64 {
        self.0.get(key).map_or(0, number)
    }

    fn is(&self, key: &str) -> bool {
        self.0[key] == true
    }

    fn wide(&self, key: &str, bits: u32) -> bool {
        self.of(key) >> bits != 0
    }
}

/// The first rule that is broken.
fn first(rules: &[(bool, &'static str)]) -> Rule {
    rules.iter().find(|(broken, _)| *broken).map(|(_, rule)| *rule)
}

/// The rule that the input of `record` breaks, if any.
pub(crate) fn broken_rule(kind: &str, record: &Value) -> Rule {
    let input = Input(&record["in"]);
    match kind {
        "commands" => command(record["cmd"].as_str().unwrap(), &input),
        "atc_range" => first(&[
            (input.of("size") == 0, "an empty range"),
            (
                u128::from(input.of("iova")) + u128::from(input.of("size")) > 1 << 64,
                "a range that runs past 2^64",
            ),
            (input.wide("ssid", 20), "SubstreamIDs have 20 bits (3.2)"),
        ]),
        "tlbi_range" => first(&[
            (
                !matches!(input.of("size"), 0 | u64::MAX)
                    && u128::from(input.of("iova")) + u128::from(input.of("size")) > 1 << 64,
                "a range that runs past 2^64",
            ),
            (
                record["in"]["op"] == "TLBI_S2_IPA" && input.wide("iova", 52),
                "IPAs end at bit 51 (OAS, IAS: 3.4)",
            ),
        ]),
        "invs" => first(&[
            (
                !matches!(input.of("size"), 0 | u64::MAX)
                    && u128::from(input.of("iova")) + u128::from(input.of("size")) > 1 << 64,
                "a range that runs past 2^64",
            ),
            (
                input.wide("iova", 52) && has_stage2(&record["in"]["inv"]),
                "IPAs end at bit 51 (OAS, IAS: 3.4)",
            ),
        ]),
        "ste" => match record["maker"].as_str().unwrap() {
            "cdtable" => cd_table(&input),
            "s2" => stage2(&record["in"]),
            // A guest's abort needs no stage 2 of the host's.
            "nested" if translates_or_bypasses(&record["in"]["vste"]) => stage2(&record["in"]),
            _ => None,
        },
        "nested" if record["kind"] == "vste" && translates_or_bypasses(&record["in"]["vste"]) => {
            stage2(&record["in"]["s2"])
        }
        "tables" => match record["kind"].as_str().unwrap() {
            "l1_stream_desc" => first(&[
                (
                    input.of("leaf_addr") & 0x3fff != 0,
                    "a table of 256 STEs is aligned to its size (5.1 L2Ptr)",
                ),
                (input.wide("leaf_addr", 52), "addresses end at bit 51 (OAS)"),
            ]),
            "l1_cd_desc" => first(&[
                (
                    input.of("leaf_addr") & 0xfff != 0,
                    "a leaf of CDs is aligned to 4 KiB at least (5.3 L2Ptr)",
                ),
                (input.wide("leaf_addr", 52), "addresses end at bit 51 (OAS)"),
            ]),
            _ => None,
        },
        kind if kind.starts_with("pgtable_") => super::pgtable::broken_rule(kind, record),
        "cd" => match record["maker"].as_str().unwrap() {
            "s1" => stage1(&input, &Input(&record["in"]["tcr"])),
            "sva" => shared(&input),
            _ => None,
        },
        _ => None,
    }
}

fn translates_or_bypasses(vste: &Value) -> bool {
    let head = number(&vste[0]);
    head & 1 == 1 && bits(head, 3, 1) >= 4
}

fn command(name: &str, input: &Input<'_>) -> Rule {
    let ranged =
        matches!(name, "TLBI_NH_VA" | "TLBI_NH_VAA" | "TLBI_EL2_VA" | "TLBI_EL2_VAA" | "TLBI_S2_IPA");
    let (tg, ttl, num, scale) = (input.of("tg"), input.of("ttl"), input.of("num"), input.of("scale"));
    let page = 10 + 2 * tg;
    let low = if ttl == 0 { page } else { page + 3_u64.saturating_sub(ttl) * (page - 3) };
    let address = input.of("addr") & mask(63, 12);
    first(&[
        (name == "CMD_SYNC" && input.of("msiaddr") & 3 != 0, "MSIADDR has bits 55:2 (4.7.3)"),
        (name == "CMD_SYNC" && input.wide("msiaddr", 52), "addresses end at bit 51 (OAS: 4.7.3, 3.4.3)"),
        (name == "TLBI_S2_IPA" && input.wide("addr", 52), "IPAs end at bit 51 (OAS, IAS: 4.4.3.1, 3.4)"),
        (name == "ATC_INV" && input.of("size") > 52, "ATC_INV.SIZE is at most 52 (4.5.1)"),
        (input.wide("ssid", 20), "SubstreamIDs have 20 bits (3.2)"),
        (input.wide("grpid", 9), "PRGINDEX has 9 bits (4.5.2)"),
        (
            ranged && tg == 0 && (num, scale, ttl) != (0, 0, 0),
            "NUM, SCALE, TTL are RES0 with TG = 0 (4.4.1.1)",
        ),
        (ranged && (tg > 3 || ttl > 3 || num > 31), "TG and TTL have 2 bits, NUM 5 (4.4.1.1)"),
        (ranged && scale > 31, "SCALE has 5 bits without IDR5.DS (4.4.1.1)"),
        (
            ranged && tg != 0 && (num, scale, ttl) == (0, 0, 0),
            "TG != 0, NUM = SCALE = TTL = 0: reserved (4.4.1.1)",
        ),
        (ranged && tg == 2 && ttl == 1, "TG = 2 with TTL = 1 is reserved without IDR5.DS (4.4.1.1)"),
        (
            ranged && tg != 0 && address & ((1 << low) - 1) != 0,
            "address bits below the entry's size must be 0 (4.4.1.1)",
        ),
    ])
}

fn cd_table(input: &Input<'_>) -> Rule {
    let (format, log2, pointer) = (input.of("s1fmt"), input.of("s1cdmax"), input.of("cdtab_dma"));
    let table_log2 = match format {
        0 => log2 + 6,
        1 => log2.saturating_sub(6) + 3,
        _ => log2.saturating_sub(10) + 3,
    };
    first(&[
        (format == 3, "S1FMT 3 is reserved (5.2)"),
        (input.of("s1dss") == 3, "S1DSS 3 is reserved (5.2)"),
        (log2 > 20, "S1CDMAX above SSIDSIZE is ILLEGAL (5.2)"),
        (pointer >> 52 != 0, "S1CONTEXTPTR beyond OAS is ILLEGAL (3.4.3)"),
        (
            pointer & ((1 << table_log2.max(6)) - 1) != 0,
            "S1CONTEXTPTR bits below the table's size are RES0 (5.2 S1Fmt)",
        ),
    ])
}

/// log2 of the granule of a TG0 code.
fn granule(code: u64) -> Option<u64> {
    match code {
        0 => Some(12),
        1 => Some(16),
        2 => Some(14),
        _ => None,
    }
}

/// The bits of an IPS or S2PS code, up to the SMMU's 52.
fn size(code: u64) -> u64 {
    [32, 36, 40, 42, 44, 48, 52, 52][code as usize & 7]
}

/// Limits that both stages share: TxSZ with STT (and VAX, OAS 52), and the table's address.
fn table_rules(page: u64, tsz: u64, ps: u64, base: u64, entries_log2: Option<u64>) -> Rule {
    let wide = page == 16;
    let output = if wide { size(ps) } else { size(ps).min(48) };
    let smallest: u64 = if output == 52 { 64 } else { 16 };
    let align = entries_log2.map_or(smallest, |log2| smallest.max(8_u64 << log2));
    first(&[
        (tsz > if wide { 47 } else { 48 }, "TxSZ above 48, or 47 with 64K (5.2.2, 5.4.2; IDR3.STT)"),
        (tsz < if wide { 12 } else { 16 }, "TxSZ below 16, or 12 with 64K (5.2.2, 5.4.2; no IDR5.DS)"),
        (base >> output != 0, "TTB beyond IPS or S2PS, or beyond 48 bits without 64K, is ILLEGAL (5.2, 5.4)"),
        (
            base & (align - 1) != 0,
            "TTB is not aligned to its table (DDI 0487 D8.2; bits below are taken as 0)",
        ),
    ])
}

fn walk_codes(tcr: &Input<'_>) -> Rule {
    first(&[
        (tcr.of("sh") == 1, "SH 1 is reserved (5.2, 5.4)"),
        (tcr.of("sh") > 3 || tcr.of("irgn") > 3 || tcr.of("orgn") > 3, "SH, IR, OR have 2 bits"),
    ])
}

/// The host's stage 2.
fn stage2(value: &Value) -> Rule {
    let (input, vtcr) = (Input(value), Input(&value["vtcr"]));
    let Some(page) = granule(vtcr.of("tg")) else { return Some("S2TG 3 is reserved: ILLEGAL (5.2)") };
    let (sl0, tsz) = (vtcr.of("sl"), vtcr.of("tsz"));
    // DDI 0487 AArch64.S2StartLevel, without DS.
    let start = match (page, sl0) {
        (12, 3) => 3,
        (12, _) => 2 - sl0,
        (_, 3) => return Some("S2SL0 3 is reserved with 16K and 64K pages (5.2)"),
        _ => 3 - sl0,
    };
    if let Some(rule) = walk_codes(&vtcr) {
        return Some(rule);
    }
    // DDI 0487 AArch64.S2InconsistentSL: the first lookup resolves at least one bit, and at most four more than a table.
    let below = page + (3 - start) * (page - 3);
    let bits = 64 - tsz.min(63);
    let resolved = bits.checked_sub(below).filter(|bits| (1..=page - 3 + 4).contains(bits));
    first(&[
        (vtcr.of("ps") > 6, "S2PS 7 needs SMMUv3.4 (5.2)"),
        (input.is("stall_enabled") && input.is("ats"), "S2S = 1 with EATS = 1 is ILLEGAL (5.2 EATS)"),
        (resolved.is_none(), "S2T0SZ and S2SL0 do not fit each other: ILLEGAL (5.2 S2SL0, S2InconsistentSL)"),
    ])
    .or_else(|| table_rules(page, tsz, vtcr.of("ps"), input.of("vttbr"), resolved))
}

/// log2 of the entries of a first-level stage-1 table: what the other levels leave.
fn first_level(page: u64, bits: u64) -> Option<u64> {
    let resolved = bits.checked_sub(page + 1)?;
    Some(resolved % (page - 3) + 1)
}

fn stage1(input: &Input<'_>, tcr: &Input<'_>) -> Rule {
    let Some(page) = granule(tcr.of("tg")) else { return Some("TG0 3 is reserved: ILLEGAL (5.4)") };
    let tsz = tcr.of("tsz");
    walk_codes(tcr).or_else(|| first(&[(tcr.of("ips") > 6, "IPS 7 needs SMMUv3.4 (5.4)")])).or_else(|| {
        table_rules(page, tsz, tcr.of("ips"), input.of("ttbr"), first_level(page, 64 - tsz.min(63)))
    })
}

fn shared(input: &Input<'_>) -> Rule {
    let release = input.is("release");
    let (page, bits) = (input.of("page_shift"), input.of("va_bits"));
    let haft = input.is("feat_haft") && input.is("cpu_haft");
    first(&[
        (haft && !input.is("feat_ha"), "HAFT without HA is ILLEGAL with HTTU = 3 (5.4 HAFT)"),
        (
            input.is("feat_stall_force") && !input.is("stall_enabled"),
            "S = 0 is ILLEGAL with STALL_MODEL 2 (5.5)",
        ),
        (input.of("parange") > 6, "IPS 7 needs SMMUv3.4 (5.4)"),
    ])
    .or_else(|| {
        if release {
            return None; // EPD0: nothing of the table is there
        }
        table_rules(page, 64 - bits, input.of("parange"), input.of("pgd_phys"), first_level(page, bits))
    })
}

/// Whether an entry in use is one of stage 2.
fn has_stage2(entries: &Value) -> bool {
    let entries = entries.as_array().unwrap();
    entries.iter().any(|entry| entry[1] == "S2_VMID" && entry[7] != 0)
}
