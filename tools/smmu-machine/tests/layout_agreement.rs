//! Two tables of bit positions, typed by different hands from the same text: the model's and the crates'.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use io_pgtable_lpae::{Stage1Leaf, Stage2Leaf, TableDescriptor};
use smmu_cmds::command::{self, Opcode};
use smmu_cmds::event::{self, EventId};
use smmu_model::layout::{FIELDS, offset};
use smmu_regs::layout::{FieldInfo, Layout};
use smmu_regs::platform::RegisterOffset;
use smmu_regs::registers::*;
use smmu_ste::{cd::cd_words, ste::ste_words, table::level1_words};
use std::collections::{BTreeMap, BTreeSet};

/// Structure and field to (lsb, width), counted from bit 0 of the structure.
type Table = BTreeMap<(String, String), (u32, u32)>;

fn add(table: &mut Table, structure: &str, words: &[&[FieldInfo]]) {
    for (word, fields) in words.iter().enumerate() {
        for field in *fields {
            let place = (field.lsb + 64 * u32::try_from(word).unwrap(), field.width);
            // A name that is a reserved word of Rust ends in an underscore.
            let name = field.name.trim_end_matches('_').to_owned();
            let before = table.insert((structure.to_owned(), name), place);
            assert_eq!(before, None, "{structure}.{} twice", field.name);
        }
    }
}

macro_rules! registers {
    ($($name:ident)*) => {
        /// Name, offset from the base and width in bits of every register of the crates.
        const REGISTERS: &[(&str, u32, u32)] = &[$(($name::NAME, $name::AT.from_base(), $name::WIDTH),)*];

        fn crates_registers(table: &mut Table) {
            $( add(table, $name::NAME, &[$name::FIELDS]); )*
        }
    };
}

registers! {
    Idr0 Idr1 Idr2 Idr3 Idr4 Idr5 Idr6 Iidr Aidr
    Cr0 Cr0ack Cr1 Cr2 Statusr Gbpa
    IrqCtrl IrqCtrlack Gerror Gerrorn GerrorIrqCfg0 GerrorIrqCfg1 GerrorIrqCfg2
    EventqIrqCfg0 EventqIrqCfg1 EventqIrqCfg2 PriqIrqCfg0 PriqIrqCfg1 PriqIrqCfg2
    StrtabBase StrtabBaseCfg
    CmdqBase CmdqProd CmdqCons EventqBase EventqProd EventqCons PriqBase PriqProd PriqCons
}

/// Everything but events, by the model's names of the structures.
fn crates() -> Table {
    let mut table = Table::new();
    crates_registers(&mut table);
    // The model has the Non-secure queue only, and no Device Permission Table.
    let modelled =
        |opcode: &Opcode| !opcode.is_secure_only() && !matches!(opcode, Opcode::DptiAll | Opcode::DptiPa);
    for opcode in Opcode::ALL.into_iter().filter(modelled) {
        add(&mut table, opcode.name(), &command::words_of(opcode).unwrap());
    }
    add(&mut table, CmdqControlPageBase::NAME, &[CmdqControlPageBase::FIELDS]);
    add(&mut table, CmdqControlPageCfg::NAME, &[CmdqControlPageCfg::FIELDS]);
    add(&mut table, CmdqControlPageStatus::NAME, &[CmdqControlPageStatus::FIELDS]);
    add(&mut table, EcmdqBase::NAME, &[EcmdqBase::FIELDS]);
    add(&mut table, EcmdqProd::NAME, &[EcmdqProd::FIELDS]);
    add(&mut table, EcmdqCons::NAME, &[EcmdqCons::FIELDS]);
    add(&mut table, "PRI", &event::page_request_words());
    add(&mut table, "STE", &ste_words());
    add(&mut table, "CD", &cd_words());
    let [stream, context] = level1_words();
    add(&mut table, "L1STD", &[stream]);
    add(&mut table, "L1CD", &[context]);
    add(&mut table, "LEAF_S1", &[Stage1Leaf::FIELDS]);
    add(&mut table, "LEAF_S2", &[Stage2Leaf::FIELDS]);
    add(&mut table, "TABLE", &[TableDescriptor::FIELDS]);
    table
}

fn model() -> Table {
    let mut table = Table::new();
    for (structure, field, lsb, width) in FIELDS {
        let place = (u32::from(*lsb), u32::from(*width));
        let before = table.insert(((*structure).to_owned(), (*field).to_owned()), place);
        assert_eq!(before, None, "{structure}.{field} twice");
    }
    table
}

/// `STRUCTURE.FIELD` of all that is in `left` and not in `right`.
fn only(left: &Table, right: &Table) -> BTreeSet<String> {
    left.keys().filter(|key| !right.contains_key(*key)).map(|(s, f)| format!("{s}.{f}")).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Names that only the crates have.
const ONLY_CRATES: &[&str] = &[
    // Virtual ATOS, and a register without architected fields: the model has neither.
    "IDR2.BA_VATOS",
    "IDR4.IMPLEMENTATION_DEFINED",
    // The same bits under the Arm ARM's longer name: see `ALIASES`.
    "LEAF_S1.DESCRIPTOR_TYPE",
    "LEAF_S2.DESCRIPTOR_TYPE",
    "TABLE.DESCRIPTOR_TYPE",
    // One field of two bits in the Arm ARM, two of one bit in the model: see `ALIASES`.
    "LEAF_S2.XN",
    // No SMMU that is modelled acts on these: guarded pages, page-based attributes, software's own bits, XS, and the
    // access flag of table descriptors.
    "LEAF_S1.GP",
    "LEAF_S1.PBHA",
    "LEAF_S1.SW",
    "LEAF_S2.FNXS",
    "LEAF_S2.PBHA",
    "LEAF_S2.SW",
    "TABLE.AF",
];

/// Names that only the model has, other than those of event records.
const ONLY_MODEL: &[&str] = &["LEAF_S1.TYPE", "LEAF_S2.TYPE", "LEAF_S2.XN0", "LEAF_S2.XN1", "TABLE.TYPE"];

/// Fields with a name of their own in each table: structure, the crates' name, the model's names from the lowest bit up.
const ALIASES: &[(&str, &str, &[&str])] = &[
    ("LEAF_S1", "DESCRIPTOR_TYPE", &["TYPE"]),
    ("LEAF_S2", "DESCRIPTOR_TYPE", &["TYPE"]),
    ("TABLE", "DESCRIPTOR_TYPE", &["TYPE"]),
    ("LEAF_S2", "XN", &["XN0", "XN1"]),
];

#[test]
fn fields_with_two_names_are_at_the_same_place() {
    let (crates, model) = (crates(), model());
    let of = |table: &Table, structure: &str, field: &str| table[&(structure.to_owned(), field.to_owned())];
    for (structure, name, others) in ALIASES {
        let (lsb, width) = of(&crates, structure, name);
        let mut next = lsb;
        for other in *others {
            let place = of(&model, structure, other);
            assert_eq!(place.0, next, "{structure}.{other}");
            next += place.1;
        }
        assert_eq!(next, lsb + width, "{structure}.{name}");
    }
}

#[test]
fn what_both_tables_name_is_at_the_same_place() {
    let (crates, model) = (crates(), model());
    let mut compared = 0;
    for (key, place) in &crates {
        if let Some(other) = model.get(key) {
            assert_eq!(place, other, "{key:?}: the crates say (lsb, width) {place:?}");
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn what_only_one_table_names_is_known() {
    let (crates, mut model) = (crates(), model());
    model.retain(|(structure, _), _| !structure.starts_with("EVENT") || structure.starts_with("EVENTQ"));
    assert_eq!(only(&crates, &model), set(ONLY_CRATES));
    assert_eq!(only(&model, &crates), set(ONLY_MODEL));
}

#[test]
fn registers_are_at_the_same_offsets() {
    macro_rules! offsets {
        ($($name:ident)*) => { BTreeMap::from([$((stringify!($name), offset::$name),)*]) };
    }
    let model = offsets! {
        IDR0 IDR1 IDR2 IDR3 IDR4 IDR5 IDR6 IIDR AIDR CR0 CR0ACK CR1 CR2 STATUSR GBPA IRQ_CTRL IRQ_CTRLACK GERROR GERRORN
        GERROR_IRQ_CFG0 GERROR_IRQ_CFG1 GERROR_IRQ_CFG2 EVENTQ_IRQ_CFG0 EVENTQ_IRQ_CFG1 EVENTQ_IRQ_CFG2
        PRIQ_IRQ_CFG0 PRIQ_IRQ_CFG1 PRIQ_IRQ_CFG2 STRTAB_BASE STRTAB_BASE_CFG CMDQ_BASE CMDQ_PROD CMDQ_CONS
        EVENTQ_BASE EVENTQ_PROD EVENTQ_CONS PRIQ_BASE PRIQ_PROD PRIQ_CONS
    };
    assert_eq!(REGISTERS.len(), model.len());
    for (name, at, width) in REGISTERS {
        assert_eq!(model[name], *at, "{name}");
        let page = if *at < 0x1_0000 { RegisterOffset::page0 } else { RegisterOffset::page1 };
        let described = describe(page((*at & 0xffff) as u16), 0).unwrap();
        assert_eq!((described.name(), described.width()), (*name, *width));
    }
}

/// The model has one table for the words that event records share, and one for each meaning of the last word.
fn model_event(model: &Table, field: &str, id: EventId) -> Option<(u32, u32)> {
    let of = |structure: &str| model.get(&(structure.to_owned(), field.to_owned())).copied();
    match (field, id) {
        // Only bits 63:12 of the input address are recorded for these two.
        ("INPUTADDR", EventId::BadAtsRequest | EventId::PageRequest) => {
            of("EVENT").map(|(lsb, width)| (lsb + 12, width - 12))
        }
        (_, EventId::BadAtsRequest) => of("EVENT").or_else(|| of("EVENT_ATS")),
        _ => of("EVENT").or_else(|| of("EVENT_IPA")).or_else(|| of("EVENT_FETCH")),
    }
}

/// Fields of event records that only the crates have.
const ONLY_CRATES_EVENTS: &[&str] = &[
    // The model makes no speculative page requests.
    "E_PAGE_REQUEST.PR",
    "E_PAGE_REQUEST.PW",
    "E_PAGE_REQUEST.PX",
    "E_PAGE_REQUEST.SPAN",
    "E_PAGE_REQUEST.UR",
    "E_PAGE_REQUEST.UW",
    "E_PAGE_REQUEST.UX",
    // IMPLEMENTATION DEFINED: the model leaves it 0.
    "F_ACCESS.IMPDEF",
    "F_ADDR_SIZE.IMPDEF",
    "F_PERMISSION.IMPDEF",
    "F_TRANSLATION.IMPDEF",
    "F_CD_FETCH.REASON",
    "F_CFG_CONFLICT.REASON",
    "F_STE_FETCH.REASON",
    "F_TLB_CONFLICT.REASON",
    "F_UUT.REASON",
    "F_VMS_FETCH.REASON",
    "F_WALK_EABT.REASON",
    // Granule protection checks belong to Realm Management, which is not modelled.
    "F_CD_FETCH.GPCF",
    "F_STE_FETCH.GPCF",
    "F_VMS_FETCH.GPCF",
    "F_WALK_EABT.GPCF",
    // Translation hardening, indirection and overlays are not modelled either.
    "F_PERMISSION.ASSUREDONLY",
    "F_PERMISSION.DIRTYBIT",
    "F_PERMISSION.OVERLAY",
];

#[test]
fn event_fields_are_at_the_same_place() {
    let model = model();
    let mut unknown = BTreeSet::new();
    let mut met = BTreeSet::new();
    for id in EventId::ALL {
        let mut fields = Table::new();
        add(&mut fields, id.name(), &event::words_of(id).unwrap());
        for ((_, field), place) in fields {
            match model_event(&model, &field, id) {
                Some(other) => {
                    assert_eq!(place, other, "{}.{field}", id.name());
                    met.insert(field);
                }
                None => {
                    unknown.insert(format!("{}.{field}", id.name()));
                }
            }
        }
    }
    assert_eq!(unknown, set(ONLY_CRATES_EVENTS));
    // And nothing is only the model's.
    for (structure, field) in
        model.keys().filter(|(s, _)| matches!(&**s, "EVENT" | "EVENT_IPA" | "EVENT_FETCH" | "EVENT_ATS"))
    {
        assert!(met.contains(field), "{structure}.{field}");
    }
}
