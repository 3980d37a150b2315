//! The layout proof: every register and field of the crate against the facts in `tests/facts/registers.txt`, both ways.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Facts, Register as Fact};
use smmu_regs::layout::{FieldInfo, Meaning};
use smmu_regs::platform::{Page, RegisterOffset};
use smmu_regs::registers::*;
use std::collections::{BTreeMap, BTreeSet};

/// Name, lowest bit, highest bit.
type Fields = Vec<(String, u32, u32)>;

fn fields(fields: &[FieldInfo]) -> Fields {
    fields.iter().map(|field| (field.name.to_owned(), field.lsb, field.lsb + field.width - 1)).collect()
}

/// What the code says of one register in one bank, in the words of the facts.
#[derive(Debug)]
struct Code {
    layout: LayoutInfo,
    fault: Option<LayoutInfo>,
    access: Access,
    bank: String,
    at: RegisterOffset,
    since: String,
    /// Unknown for the registers that are many of a kind.
    reset_zero: Option<u64>,
}

fn code() -> BTreeMap<String, Code> {
    let mut code = BTreeMap::new();
    for register in REGISTERS {
        for place in register.places {
            let entry = Code {
                layout: register.layout,
                fault: register.fault,
                access: register.access,
                bank: format!("{:?}", place.bank),
                at: place.at,
                since: place.since.to_string(),
                reset_zero: Some(place.reset_zero),
            };
            let before = code.insert(place.name.to_owned(), entry);
            assert!(before.is_none(), "{} twice", place.name);
        }
    }
    for (prefix, bank) in [("", Bank::NonSecure), ("S_", Bank::Secure), ("R_", Bank::Realm)] {
        let page = ControlPage::new(bank, 0).unwrap();
        add::<CmdqControlPageBase>(&mut code, prefix, format!("{bank:?}"), page.base());
        add::<CmdqControlPageCfg>(&mut code, prefix, format!("{bank:?}"), page.cfg());
        add::<CmdqControlPageStatus>(&mut code, prefix, format!("{bank:?}"), page.status());
    }
    let queue = EcmdqRegisters::new(Bank::NonSecure, Idr6::new(), 0, 0).unwrap();
    add::<EcmdqBase>(&mut code, "", "-".to_owned(), queue.base());
    add::<EcmdqProd>(&mut code, "", "-".to_owned(), queue.prod());
    add::<EcmdqCons>(&mut code, "", "-".to_owned(), queue.cons());
    code
}

fn add<R: RegisterType>(code: &mut BTreeMap<String, Code>, prefix: &str, bank: String, at: RegisterOffset) {
    let layout = LayoutInfo { name: R::NAME, width: R::WIDTH, fields: R::FIELDS, meanings: R::MEANINGS };
    let since = "SMMUv3.3".to_owned();
    let entry = Code { layout, fault: None, access: R::ACCESS, bank, at, since, reset_zero: None };
    assert!(code.insert(format!("{prefix}{}", R::NAME), entry).is_none());
}

fn page(name: &str) -> Page {
    match name {
        "page0" => Page::Zero,
        "page1" => Page::One,
        "vatos" => Page::Vatos,
        "s_vatos" => Page::SecureVatos,
        "realm0" => Page::RealmZero,
        "realm1" => Page::RealmOne,
        "root" => Page::RootControl,
        "cmdqcp" => Page::CommandQueues { bank: Bank::NonSecure, page: 0 },
        other => panic!("page {other}"),
    }
}

fn at(fact: &Fact) -> RegisterOffset {
    RegisterOffset { page: page(&fact.page), offset: fact.offset }
}

#[test]
fn registers_are_those_of_the_facts() {
    let (facts, code) = (Facts::read(), code());
    assert_eq!(facts.0.keys().collect::<Vec<_>>(), code.keys().collect::<Vec<_>>());
    for (name, fact) in &facts.0 {
        let code = &code[name];
        assert_eq!(code.at, at(fact), "{name}");
        assert_eq!(code.bank, fact.bank, "{name}");
        assert_eq!(code.layout.width, fact.width, "{name}");
        assert_eq!(if code.access == Access::Rw { "RW" } else { "RO" }, fact.access, "{name}");
        assert_eq!(code.since, format!("SMMUv{}", fact.since), "{name}");
        assert_eq!(fields(code.layout.fields), fact.fields(), "{name}");
        assert_eq!(code.fault.map(|fault| fields(fault.fields)), fact.fault_fields(), "{name}");
        if let Some(zero) = code.reset_zero {
            assert_eq!(zero, fact.reset_zero(), "{name}");
        }
    }
}

/// Values that the crate names though the text has no table of them: it says them in prose.
const NAMED_IN_PROSE: &[&str] = &[
    "GBPA.UPDATE",
    "S_GBPA.UPDATE",
    "GMPAM.UPDATE",
    "GBPMPAM.UPDATE",
    "S_GMPAM.UPDATE",
    "S_GBPMPAM.UPDATE",
    "R_GMPAM.UPDATE",
    "CMDQ_CONS.ERR",
    "S_CMDQ_CONS.ERR",
    "R_CMDQ_CONS.ERR",
    "GATOS_CTRL.RUN",
    "S_GATOS_CTRL.RUN",
    "VATOS_CTRL.RUN",
    "S_VATOS_CTRL.RUN",
    "GATOS_SID.SSID_VALID",
    "VATOS_SID.SSID_VALID",
    "S_GATOS_SID.SSID_VALID",
    "S_VATOS_SID.SSID_VALID",
    "S_INIT.INV_ALL",
    "ROOT_IDR0.ROOT_IMPL",
    "ROOT_CR0ACK.ACCESSEN",
    "ROOT_CR0ACK.GPCEN",
    "ROOT_GPT_CFG_FAR.CFG_ERR",
    // RES1 there; the names are the Non-secure register's.
    "R_CR0.ATSCHK",
    "R_CR0ACK.ATSCHK",
];

#[test]
fn values_with_names_are_those_of_the_facts() {
    let (facts, code) = (Facts::read(), code());
    let (mut in_prose, mut nameless, mut compared) = (BTreeSet::new(), Vec::new(), 0);
    for (name, fact) in &facts.0 {
        let layouts =
            [(Some(code[name].layout), Some(&fact.fields)), (code[name].fault, fact.fault.as_ref())];
        for (layout, facts) in layouts {
            let (Some(layout), Some(facts)) = (layout, facts) else { continue };
            assert_eq!(layout.meanings.len(), layout.fields.len());
            for ((field, meaning), fact) in layout.fields.iter().zip(layout.meanings).zip(facts) {
                let whole = format!("{name}.{}", field.name);
                for (value, text) in meaning.values {
                    assert!(*value <= field.mask() >> field.lsb, "{whole}: {value}");
                    let defined = fact.values.contains(value) || text.contains("reserved");
                    // The layouts of a result name the other one's value of FAULT too.
                    let other = field.name == "FAULT" && text.contains("read as");
                    if !defined && !other {
                        in_prose.insert(whole.clone());
                    }
                    compared += 1;
                }
                let lacking = fact.values.iter().any(|value| meaning.name(*value).is_none());
                if lacking && !plain(field, meaning) {
                    nameless.push(format!("{whole} {:?}", fact.values));
                }
            }
        }
    }
    assert_eq!(nameless, Vec::<String>::new());
    assert_eq!(in_prose, NAMED_IN_PROSE.iter().map(|name| (*name).to_owned()).collect());
    assert!(compared > 500, "{compared}");
}

/// Whether a field needs no names of its values: the numbers of the architecture's version.
fn plain(field: &FieldInfo, meaning: &Meaning) -> bool {
    meaning.values.is_empty() && matches!(field.name, "ARCHMINORREV" | "ARCHMAJORREV")
}

#[test]
fn getters_read_what_the_facts_say() {
    let facts = Facts::read();
    let facts = facts.0["IDR1"].fields();
    // One bit at a time: the getter sees exactly the bits that the facts give to its field.
    for bit in 0..32 {
        let idr1 = Idr1::from_bits(1 << bit);
        let owner = facts.iter().find(|(_, lsb, msb)| (*lsb..=*msb).contains(&bit));
        let owner = owner.map_or("", |(name, ..)| name);
        assert_eq!(idr1.sidsize() != 0, owner == "SIDSIZE", "bit {bit}");
        assert_eq!(idr1.ssidsize() != 0, owner == "SSIDSIZE", "bit {bit}");
        assert_eq!(idr1.cmdqs() != 0, owner == "CMDQS", "bit {bit}");
        assert_eq!(idr1.ecmdq(), owner == "ECMDQ", "bit {bit}");
        assert_eq!(format!("{idr1:?}").contains(&format!(" {owner}=")), !owner.is_empty(), "{idr1:?}");
    }
}

#[test]
fn setters_refuse_what_does_not_fit() {
    assert!(StrtabBaseCfg::new().try_with(StrtabBaseCfg::LOG2SIZE, 64_u8).is_err());
    assert!(StrtabBase::new().try_with_address(StrtabBase::ADDR, 0x20).is_err());
    assert!(StrtabBase::new().try_with_address(StrtabBase::ADDR, 1 << 56).is_err());
    let base = StrtabBase::new().try_with_address(StrtabBase::ADDR, 0x00ff_0000_0000_0040).unwrap();
    assert_eq!(base.address(StrtabBase::ADDR), 0x00ff_0000_0000_0040);
    assert_eq!(base.with(StrtabBase::RA, true).into_bits(), 0x40ff_0000_0000_0040);
}

#[test]
fn a_register_knows_its_place_in_each_bank() {
    assert_eq!(Cr1::at(Bank::NonSecure), Some(Cr1::AT));
    assert_eq!(Cr1::at(Bank::Secure), Some(RegisterOffset::page0(0x8028)));
    assert_eq!(Cr1::at(Bank::Realm), Some(RegisterOffset::realm0(0x28)));
    assert_eq!(Cr1::at(Bank::Root), None);
    // The Secure event queue's pointers are in page 0, the Realm one's in Realm page 1.
    assert_eq!(EventqProd::at(Bank::Secure), Some(RegisterOffset::page0(0x80a8)));
    assert_eq!(EventqProd::at(Bank::Realm), Some(RegisterOffset::realm1(0xa8)));
    // What differs is a type of its own.
    assert_eq!(Cr0::at(Bank::Secure), None);
    assert_eq!(SCr0::at(Bank::Secure), Some(SCr0::AT));
    assert_eq!(Iidr::at(Bank::Root), Some(RegisterOffset::root(8)));
}

#[test]
fn every_register_is_found_by_its_place() {
    for (name, fact) in &Facts::read().0 {
        // All named bits, but not bit 0 where that selects another layout.
        let named = fact.fields.iter().filter(|field| fact.fault.is_none() || field.lsb > 0);
        let value = named.clone().fold(0, |value, field| value | field.mask());
        let found = describe(at(fact), value).unwrap();
        assert_eq!((found.name(), found.width()), (name.as_str(), fact.width));
        let text = format!("{found:#}");
        for field in named {
            assert!(text.contains(&format!("\n  {}=", field.name)), "{text} lacks {}", field.name);
        }
        assert!(!text.contains("reserved="), "{text}");
        let others = !value & if fact.width == 32 { u64::from(u32::MAX) } else { u64::MAX };
        if let Some(fault) = &fact.fault {
            let text = describe(at(fact), 1).unwrap().to_string();
            assert!(text.contains("FAULT=1 (fault)"), "{text}");
            assert!(
                fault
                    .iter()
                    .all(|field| format!("{:#}", describe(at(fact), 1).unwrap()).contains(&field.name))
            );
        } else if others != 0 {
            let text = describe(at(fact), others).unwrap().to_string();
            assert!(text.ends_with(&format!("reserved={others:#x}")), "{text}");
        }
    }
}

#[test]
fn a_place_without_a_register_is_said_to_be_one() {
    let places: BTreeSet<_> = Facts::read().0.values().map(at).collect();
    let array =
        |offset: u16| matches!(offset & !0x1fff, 0x4000 | 0xc000) && matches!(offset % 32, 0 | 8 | 12);
    for (page, with_array) in
        [(Page::Zero, true), (Page::One, false), (Page::RealmZero, true), (Page::RootControl, false)]
    {
        for offset in (0..=u16::MAX).step_by(4) {
            let at = RegisterOffset { page, offset };
            let array = with_array && array(offset) && (page == Page::Zero || offset < 0x8000);
            assert_eq!(describe(at, 0).is_some(), places.contains(&at) || array, "{at:?}");
        }
    }
    assert_eq!(
        describe(RegisterOffset::page0(0x4008 + 32 * 200), 1).unwrap().to_string(),
        "CMDQ_CONTROL_PAGE_CFG200 = 0x1 EN=1 (enabled)"
    );
    let none = |bank, offset| describe_in(bank, offset, 0x12).register().is_none();
    // Each bank has its own offsets, and no bank those of another.
    assert!(!none(Bank::Secure, 0x8000) && none(Bank::NonSecure, 0x8000) && none(Bank::Secure, 0));
    assert!(!none(Bank::Realm, 0x100c8) && none(Bank::Realm, 0x100d0) && none(Bank::Root, 0x10008));
    assert!(none(Bank::NonSecure, 0x20000) && none(Bank::NonSecure, u32::MAX));
    let text = describe_in(Bank::Root, 4, 0x12).to_string();
    assert_eq!(text, "no register at offset 0x4 of the Root bank (= 0x12)");
}

#[test]
fn permission_interpretations_have_the_text_s_names() {
    // 6.3.17: entry n in bits 4n+3:4n; here entry n holds n.
    let all = S2pii::from_bits(0xfedc_ba98_7654_3210);
    let names: Vec<_> = (0..16).map(|index| all.interpretation(index).unwrap()).collect();
    assert_eq!(
        names.join(" ").replace("no access", "-"),
        "- - MRO MRO-TL1 WO - MRO-TL0 MRO-TL01 RO RO+uX RO+pX RO+puX RW RW+uX RW+pX RW+puX"
    );
    assert_eq!(all.interpretation(16), None);
}
