//! Used bits against the facts in `tests/facts/used_bits.txt`, by random structures on random SMMUs: the very same set of
//! bits, neither more (then an update would break without need) nor less (then it would mislead the SMMU).
//!
//! What the comparison leaves out, and why:
//!
//! * `CONT` and the IMPLEMENTATION DEFINED fields, which the crate documents as not counted: it writes them 0. The
//!   facts call them used, as hints. `SW_RESERVED` needs no exception: the facts too say that the SMMU ignores it.
//! * Fields of Secure and Realm streams need none either: where `sec` is `NS` the facts call them unused.
//! * A CD is judged without its STE, on whose `S1MPAM` and `S1PIE` some fields depend. What the facts call used with any
//!   of the four values of the two counts; one STE may use less.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{CD_FACTS, Place, Random, STE_FACTS, Words, caps_of, places};
use smmu_regs::caps::{IdRegisters, StallModel};
use smmu_regs::layout::Layout;
use smmu_regs::registers::{Idr0, Idr1, Idr3, Idr5};
use smmu_ste::cd::CdWorld;
use smmu_ste::ste::{RealmCaps, SecureCaps, Security};
use smmu_ste::{Cd, Ste};
use std::collections::BTreeMap;

const FACTS: &str = include_str!("facts/used_bits.txt");

/// Fields that the facts call used and the crate does not count.
const NOT_COUNTED: [&str; 5] = ["CONT", "IMPDEF0", "IMPDEF1", "IMPDEF2", "IMPDEF"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Number(u64),
    Text(&'static str),
}

impl Value {
    fn truth(self) -> bool {
        match self {
            Self::Number(value) => value != 0,
            Self::Text(text) => panic!("{text:?} is no condition"),
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Number(value) => value,
            Self::Text(text) => panic!("{text:?} is no number"),
        }
    }
}

/// An expression, names resolved.
#[derive(Debug)]
enum Expr {
    Literal(Value),
    Field(Place),
    Id { register: usize, shift: u32, mask: u64 },
    Definition(usize),
    Environment(Environment),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    If { condition: Box<Expr>, then: Box<Expr>, otherwise: Box<Expr> },
    Compare(&'static str, Box<Expr>, Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
}

#[derive(Debug, Clone, Copy)]
enum Environment {
    Version,
    World,
    SteField(&'static str),
    /// The Security state.
    Sec,
    /// A field of another Security state's ID registers.
    SecurityId(&'static str),
}

/// Where a CD is used; an STE needs only `version`.
#[derive(Clone, Copy)]
struct Around {
    version: u64,
    world: &'static str,
    s1pie: bool,
    s1mpam: bool,
    security: Option<Security>,
}

impl Around {
    const fn of(ids: &IdRegisters) -> Self {
        Self {
            version: ids.aidr.archminorrev() as u64,
            world: "EL1",
            s1pie: true,
            s1mpam: true,
            security: None,
        }
    }

    /// With any STE.
    fn any_ste(ids: &IdRegisters, world: &'static str) -> [Self; 4] {
        [(false, false), (false, true), (true, false), (true, true)].map(|(s1pie, s1mpam)| Self {
            world,
            s1pie,
            s1mpam,
            ..Self::of(ids)
        })
    }
}

/// Definitions and fields of one structure.
struct Facts {
    definitions: Vec<(&'static str, Expr)>,
    fields: Vec<(&'static str, Place, Expr)>,
}

impl Facts {
    fn read(section: &str, layout: &'static str) -> Self {
        let places = places(layout);
        let mut facts = Self { definitions: Vec::new(), fields: Vec::new() };
        let mut inside = false;
        for line in FACTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with('[') {
                inside = line == format!("[{section}]");
                continue;
            }
            if !inside {
                continue;
            }
            let (name, expression) = line.split_once(" = ").unwrap();
            let tokens = tokens(expression);
            let mut parser = Parser { tokens: &tokens, places: &places, definitions: &facts.definitions };
            let expression = parser.expression();
            assert!(parser.tokens.is_empty(), "{name}: {:?} is left", parser.tokens);
            match name.strip_prefix("def ") {
                Some(name) => facts.definitions.push((name, expression)),
                None => facts.fields.push((name, places[name], expression)),
            }
        }
        let named: Vec<_> = facts.fields.iter().map(|(name, ..)| *name).collect();
        let mut sorted = named.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().eq(places.keys()), "every field has a line, and only one");
        facts
    }

    /// The bits that the facts call used.
    fn used(&self, words: &Words, ids: &IdRegisters, around: Around) -> Words {
        let registers =
            [ids.idr0.into_bits(), ids.idr1.into_bits(), ids.idr3.into_bits(), ids.idr5.into_bits()];
        let mut run = Run { words, registers, around, definitions: Vec::new() };
        for (_, expression) in &self.definitions {
            let value = run.value(expression);
            run.definitions.push(value);
        }
        let mut used = [0; 8];
        for (name, place, expression) in &self.fields {
            if !NOT_COUNTED.contains(name) && run.value(expression).truth() {
                used[place.word] |= place.mask << place.shift;
            }
        }
        used
    }

    /// The bits that the facts call used in some of these surroundings.
    fn used_in_any(&self, words: &Words, ids: &IdRegisters, arounds: &[Around]) -> Words {
        arounds.iter().fold([0; 8], |all, around| {
            let used = self.used(words, ids, *around);
            std::array::from_fn(|word| all[word] | used[word])
        })
    }

    fn name_of(&self, word: usize, bits: u64) -> Vec<&'static str> {
        let hit = |place: &Place| place.word == word && bits & place.mask << place.shift != 0;
        self.fields.iter().filter(|(_, place, _)| hit(place)).map(|(name, ..)| *name).collect()
    }

    /// Says which fields `code` and the facts judge differently.
    fn compare(&self, code: &Words, facts: &Words) -> Result<(), String> {
        for word in 0..8 {
            let (more, less) = (code[word] & !facts[word], facts[word] & !code[word]);
            if more | less != 0 {
                return Err(format!(
                    "word {word}: code alone uses {more:#x} {:?}, facts alone {less:#x} {:?}",
                    self.name_of(word, more),
                    self.name_of(word, less),
                ));
            }
        }
        Ok(())
    }
}

struct Run<'a> {
    words: &'a Words,
    registers: [u32; 4],
    around: Around,
    definitions: Vec<Value>,
}

impl Run<'_> {
    fn value(&self, expression: &Expr) -> Value {
        let truth = |value: bool| Value::Number(u64::from(value));
        match expression {
            Expr::Literal(value) => *value,
            Expr::Field(place) => Value::Number(place.get(self.words)),
            Expr::Id { register, shift, mask } => {
                Value::Number(u64::from(self.registers[*register]) >> shift & mask)
            }
            Expr::Definition(index) => self.definitions[*index],
            Expr::Environment(Environment::Version) => Value::Number(self.around.version),
            Expr::Environment(Environment::World) => Value::Text(self.around.world),
            Expr::Environment(Environment::Sec) => Value::Text(match self.around.security {
                None => "NS",
                Some(Security::Secure(_)) => "S",
                Some(Security::Realm(_)) => "R",
            }),
            Expr::Environment(Environment::SecurityId(name)) => truth(match (self.around.security, *name) {
                (Some(Security::Secure(secure)), "S_IDR1.SEL2") => secure.stage2,
                (Some(Security::Secure(secure)), "S_MPAMIDR.HAS_MPAM_NS") => secure.nonsecure_partitions,
                (Some(Security::Realm(realm)), "R_IDR0.ATS") => realm.ats,
                (Some(Security::Realm(realm)), "R_IDR3.DPT") => realm.dpt,
                (Some(Security::Realm(realm)), "R_IDR3.XT") => realm.checks_incoming,
                (Some(Security::Realm(realm)), "R_IDR3.MEC") => realm.mecid_bits != 0,
                (Some(Security::Realm(realm)), "R_MPAMIDR.HAS_MPAM_NS") => realm.nonsecure_partitions,
                _ => false,
            }),
            Expr::Environment(Environment::SteField("S1PIE")) => truth(self.around.s1pie),
            Expr::Environment(Environment::SteField("S1MPAM")) => truth(self.around.s1mpam),
            Expr::Environment(Environment::SteField(name)) => panic!("STE.{name}?"),
            Expr::Not(inner) => truth(!self.value(inner).truth()),
            Expr::And(left, right) => truth(self.value(left).truth() && self.value(right).truth()),
            Expr::Or(left, right) => truth(self.value(left).truth() || self.value(right).truth()),
            Expr::If { condition, then, otherwise } => {
                self.value(if self.value(condition).truth() { then } else { otherwise })
            }
            Expr::Compare("==", left, right) => truth(self.value(left) == self.value(right)),
            Expr::Compare("!=", left, right) => truth(self.value(left) != self.value(right)),
            Expr::Compare(operator, left, right) => {
                let (left, right) = (self.value(left).number(), self.value(right).number());
                truth(if *operator == "<" { left < right } else { left >= right })
            }
            Expr::In(left, list) => {
                let left = self.value(left);
                truth(list.iter().any(|item| self.value(item) == left))
            }
        }
    }
}

fn tokens(text: &'static str) -> Vec<&'static str> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let length = if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else if first == '\'' {
            rest[1..].find('\'').unwrap() + 2
        } else if ["==", "!=", ">="].iter().any(|operator| rest.starts_with(operator)) {
            2
        } else {
            assert!("()<,".contains(first), "{first:?} in {text:?}");
            1
        };
        all.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    all
}

struct Parser<'a> {
    tokens: &'a [&'static str],
    places: &'a BTreeMap<&'static str, Place>,
    definitions: &'a [(&'static str, Expr)],
}

impl Parser<'_> {
    fn eat(&mut self, token: &str) -> bool {
        let there = self.tokens.first() == Some(&token);
        if there {
            self.tokens = &self.tokens[1..];
        }
        there
    }

    fn need(&mut self, token: &str) {
        assert!(self.eat(token), "{token} is missing before {:?}", self.tokens);
    }

    fn expression(&mut self) -> Expr {
        let then = self.or();
        if !self.eat("if") {
            return then;
        }
        let condition = Box::new(self.or());
        self.need("else");
        Expr::If { condition, then: Box::new(then), otherwise: Box::new(self.expression()) }
    }

    fn or(&mut self) -> Expr {
        let mut left = self.and();
        while self.eat("or") {
            left = Expr::Or(Box::new(left), Box::new(self.and()));
        }
        left
    }

    fn and(&mut self) -> Expr {
        let mut left = self.not();
        while self.eat("and") {
            left = Expr::And(Box::new(left), Box::new(self.not()));
        }
        left
    }

    fn not(&mut self) -> Expr {
        if self.eat("not") { Expr::Not(Box::new(self.not())) } else { self.comparison() }
    }

    fn comparison(&mut self) -> Expr {
        let left = self.atom();
        for operator in ["==", "!=", "<", ">="] {
            if self.eat(operator) {
                return Expr::Compare(operator, Box::new(left), Box::new(self.atom()));
            }
        }
        if !self.eat("in") {
            return left;
        }
        self.need("(");
        let mut list = vec![self.atom()];
        while self.eat(",") {
            list.push(self.atom());
        }
        self.need(")");
        Expr::In(Box::new(left), list)
    }

    fn atom(&mut self) -> Expr {
        let token = self.tokens[0];
        self.tokens = &self.tokens[1..];
        let number = |value| Expr::Literal(Value::Number(value));
        match token {
            "(" => {
                let inner = self.expression();
                self.need(")");
                inner
            }
            "True" => number(1),
            "False" => number(0),
            "sec" => Expr::Environment(Environment::Sec),
            "ver" => Expr::Environment(Environment::Version),
            "world" => Expr::Environment(Environment::World),
            // Taken as true: the widest case, as the library's capabilities do not hold these.
            "mpam_in" | "partid_nonzero" => {
                self.need("(");
                while !self.eat(")") {
                    self.tokens = &self.tokens[1..];
                }
                number(1)
            }
            "vms_supported" => {
                self.need("(");
                self.need(")");
                id("IDR3.MPAM").unwrap()
            }
            _ if token.starts_with('\'') => Expr::Literal(Value::Text(token.trim_matches('\''))),
            _ if token.starts_with(|c: char| c.is_ascii_digit()) => number(token.parse().unwrap()),
            _ => self.name(token),
        }
    }

    fn name(&self, token: &'static str) -> Expr {
        if let Some(field) = token.strip_prefix("STE.") {
            return Expr::Environment(Environment::SteField(field));
        }
        if let Some(index) = self.definitions.iter().position(|(name, _)| *name == token) {
            return Expr::Definition(index);
        }
        if let Some(place) = self.places.get(token) {
            return Expr::Field(*place);
        }
        match token {
            "S_IDR1.SEL2"
            | "R_IDR0.ATS"
            | "R_IDR3.DPT"
            | "R_IDR3.XT"
            | "R_IDR3.MEC"
            | "S_MPAMIDR.HAS_MPAM_NS"
            | "R_MPAMIDR.HAS_MPAM_NS" => Expr::Environment(Environment::SecurityId(token)),
            _ => id(token).unwrap_or_else(|| panic!("{token}?")),
        }
    }
}

/// A field of an ID register.
fn id(token: &str) -> Option<Expr> {
    let (register, field) = token.split_once('.')?;
    let (register, fields) = match register {
        "IDR0" => (0, Idr0::FIELDS),
        "IDR1" => (1, Idr1::FIELDS),
        "IDR3" => (2, Idr3::FIELDS),
        "IDR5" => (3, Idr5::FIELDS),
        _ => return None,
    };
    let info = fields.iter().find(|info| info.name == field)?;
    Some(Expr::Id { register, shift: info.lsb, mask: (1 << info.width) - 1 })
}

/// Random words in which what decides the meaning of an STE takes each of its values often.
fn random_ste(random: &mut Random, places: &BTreeMap<&str, Place>) -> Words {
    let mut words = [0; 8].map(|_: u64| random.word());
    let set = |words: &mut Words, name: &str, value| places[name].set(words, value);
    set(&mut words, "V", u64::from(!random.one_in(16)));
    set(&mut words, "CONFIG", random.pick(&[5, 6, 7, 5, 6, 7, 5, 7, 4, 0, 1, 2, 3]));
    set(&mut words, "S1CDMAX", random.pick(&[0, 1, 6, 31]));
    for name in ["S1DSS", "STRW", "EATS", "S2TG", "S1CIR", "S1COR"] {
        let value = random.bits() & 3;
        set(&mut words, name, value);
    }
    for name in ["S2AA64", "S2HA", "S2S", "S2POE", "MTCFG", "S1MPAM"] {
        let value = random.bits() & 1;
        set(&mut words, name, value);
    }
    words
}

/// As [`random_ste`], of a CD.
fn random_cd(random: &mut Random, places: &BTreeMap<&str, Place>) -> Words {
    let mut words = [0; 8].map(|_: u64| random.word());
    let set = |words: &mut Words, name: &str, value| places[name].set(words, value);
    set(&mut words, "V", u64::from(!random.one_in(16)));
    for name in ["TG0", "TG1"] {
        let value = random.bits() & 3;
        set(&mut words, name, value);
    }
    for name in ["EPD0", "EPD1", "AA64", "HA", "S", "PIE", "HAD0", "HAD1"] {
        let value = random.bits() & 1;
        set(&mut words, name, value);
    }
    words
}

#[test]
fn an_ste_uses_what_the_facts_say() {
    let facts = Facts::read("ste", STE_FACTS);
    let places = places(STE_FACTS);
    let mut random = Random(1);
    let mut kinds: BTreeMap<(u64, u64), u32> = BTreeMap::new();
    for case in 0..30_000 {
        let (ids, words) = (random.ids(), random_ste(&mut random, &places));
        let code = Ste::from_words(words).used_bits(&caps_of(&ids));
        let expected = facts.used(&words, &ids, Around::of(&ids));
        facts.compare(&code, &expected).unwrap_or_else(|difference| {
            panic!("case {case}: {difference}\n{}\n{ids:#x?}", Ste::from_words(words));
        });
        *kinds.entry((places["CONFIG"].get(&words), places["S1DSS"].get(&words))).or_default() += 1;
    }
    // Every configuration with every S1DSS, and many of each.
    assert_eq!(kinds.len(), 8 * 4);
    assert!(kinds.values().all(|count| *count > 300), "{kinds:?}");
}

/// The same in Secure and Realm stream tables, with every set of what their ID registers say.
#[test]
fn an_ste_of_another_security_state_uses_what_the_facts_say() {
    let facts = Facts::read("ste", STE_FACTS);
    let places = places(STE_FACTS);
    let mut random = Random(6);
    let mut seen = BTreeMap::new();
    for case in 0..30_000 {
        let (ids, mut words) = (random.ids(), random_ste(&mut random, &places));
        for name in ["S2NSW", "S2SW", "S2SA"] {
            places[name].set(&mut words, random.bits() & 1);
        }
        places["S_S2TG"].set(&mut words, random.bits() & 3);
        let flags = random.bits();
        let flag = |bit: u32| flags >> bit & 1 != 0;
        let security = if flag(0) {
            Security::Secure(SecureCaps {
                stage2: flag(1),
                stall_model: StallModel::Supported,
                nonsecure_partitions: flag(2),
            })
        } else {
            Security::Realm(RealmCaps {
                ats: flag(1),
                dpt: flag(2),
                mecid_bits: if flag(3) { 16 } else { 0 },
                checks_incoming: flag(4),
                nonsecure_partitions: flag(5),
            })
        };
        let code = Ste::from_words(words).used_bits_for(&caps_of(&ids), &security);
        let around = Around { security: Some(security), ..Around::of(&ids) };
        facts.compare(&code, &facts.used(&words, &ids, around)).unwrap_or_else(|difference| {
            panic!("case {case}, {security:?}: {difference}\n{}\n{ids:#x?}", Ste::from_words(words));
        });
        for name in ["NSCFG", "MPAM_NS", "MECID", "S2NSW", "S2NSA", "S2SA", "S_S2TTB", "S_S2SL0_2", "S_S2SKL"]
        {
            let place = places[name];
            *seen.entry(name).or_insert(0) += u32::from(code[place.word] >> place.shift & 1 != 0);
        }
    }
    assert!(seen.values().all(|count| *count > 100), "{seen:?}");
}

#[test]
fn a_cd_uses_what_the_facts_say() {
    let facts = Facts::read("cd", CD_FACTS);
    let places = places(CD_FACTS);
    let mut random = Random(2);
    for case in 0..20_000 {
        let (ids, words) = (random.ids(), random_cd(&mut random, &places));
        let code = Cd::from_words(words).used_bits(&caps_of(&ids));
        let world = ["EL1", "E2H"][case % 2];
        let arounds = Around::any_ste(&ids, world);
        let expected = facts.used_in_any(&words, &ids, &arounds);
        facts.compare(&code, &expected).unwrap_or_else(|difference| {
            panic!("case {case}, {world}: {difference}\n{}\n{ids:#x?}", Cd::from_words(words));
        });
        let secure =
            SecureCaps { stage2: true, stall_model: StallModel::Supported, nonsecure_partitions: true };
        let arounds = arounds.map(|around| Around { security: Some(Security::Secure(secure)), ..around });
        let code = Cd::from_words(words).used_bits_secure(&caps_of(&ids), CdWorld::TwoHalves);
        facts.compare(&code, &facts.used_in_any(&words, &ids, &arounds)).unwrap();
    }
}

/// In the EL2 world without E2H there is one half, which `EPD0` does not disable. Nothing that the SMMU uses may be missing;
/// counted beyond that are the fields of two-half worlds, which are RES0 or ignored there.
#[test]
fn a_cd_of_el2_uses_what_the_facts_say_and_what_is_res0() {
    const OF_TWO_HALVES: [&str; 20] = [
        "EPD0", "EPD1", "T1SZ", "TG1", "IR1", "OR1", "SH1", "TBI1", "UWXN", "PAN", "ASID", "HAD1", "E0PD0",
        "E0PD1", "EPAN", "TTB1", "HWU159", "HWU160", "HWU161", "HWU162",
    ];
    let facts = Facts::read("cd", CD_FACTS);
    let places = places(CD_FACTS);
    let mut random = Random(3);
    let mut beyond = BTreeMap::new();
    for case in 0..6_000 {
        let (ids, words) = (random.ids(), random_cd(&mut random, &places));
        let code = Cd::from_words(words).used_bits_el2(&caps_of(&ids));
        let expected = facts.used_in_any(&words, &ids, &Around::any_ste(&ids, "EL2"));
        for word in 0..8 {
            let missing = facts.name_of(word, expected[word] & !code[word]);
            assert!(missing.is_empty(), "case {case}: {missing:?}\n{}", Cd::from_words(words));
            for name in facts.name_of(word, code[word] & !expected[word]) {
                *beyond.entry(name).or_insert(0_u32) += 1;
            }
        }
    }
    // DS is RES0 there as soon as TG0 says 64K; PIIU is of EL0.
    let names: Vec<&str> = beyond.keys().copied().collect();
    let allowed = |name: &&str| OF_TWO_HALVES.contains(name) || ["DS", "PIIU"].contains(name);
    assert!(names.iter().all(allowed), "{names:?}");
}

/// What makes the planner right: in a mixture that agrees with one content in all bits which that content uses, the
/// SMMU uses the same bits.
#[test]
fn bits_that_are_not_used_decide_nothing() {
    let mut random = Random(4);
    let (stes, cds) = (places(STE_FACTS), places(CD_FACTS));
    for _ in 0..10_000 {
        let caps = caps_of(&random.ids());
        let ste = random_ste(&mut random, &stes);
        let used = Ste::from_words(ste).used_bits(&caps);
        let other: Words = std::array::from_fn(|word| ste[word] ^ random.bits() & !used[word]);
        assert_eq!(Ste::from_words(other).used_bits(&caps), used);
        let cd = random_cd(&mut random, &cds);
        let used = Cd::from_words(cd).used_bits(&caps);
        let other: Words = std::array::from_fn(|word| cd[word] ^ random.bits() & !used[word]);
        assert_eq!(Cd::from_words(other).used_bits(&caps), used);
    }
}

/// Safe are hints and the merging of events, which the facts call free to be mixed (5.2 DCP, MEV, ALLOCCFG), and full ATS
/// where neither split-stage ATS nor stage-2 stalls could make a mixture illegal (5.2 EATS, S2S).
#[test]
fn safe_bits_are_what_may_be_mixed() {
    let places = places(STE_FACTS);
    let mut random = Random(5);
    for _ in 0..10_000 {
        let (current, target) = (random_ste(&mut random, &places), random_ste(&mut random, &places));
        let plain = |words: &Words| places["EATS"].get(words) < 2 && places["S2S"].get(words) == 0;
        let mut expected: Words = ["DCP", "MEV", "ALLOCCFG"]
            .map(|name| places[name].bits())
            .iter()
            .fold([0; 8], |all, bits| std::array::from_fn(|word| all[word] | bits[word]));
        if plain(&current) && plain(&target) {
            places["EATS"].set(&mut expected, 1);
        }
        let (from, to) = (Ste::from_words(current), Ste::from_words(target));
        assert_eq!(from.safe_bits(&to), expected, "{from}\n{to}");
        assert_eq!(to.safe_bits(&from), expected);
    }
}

#[test]
fn the_small_language_means_what_it_says() {
    let places = places(STE_FACTS);
    let value = |text: &'static str| {
        let tokens = tokens(text);
        let mut parser = Parser { tokens: &tokens, places: &places, definitions: &[] };
        let expression = parser.expression();
        assert!(parser.tokens.is_empty());
        let words = [1 | 5 << 1, 0, 0, 0, 0, 0, 0, 0];
        let around = Around { version: 2, world: "E2H", s1pie: false, s1mpam: true, security: None };
        Run { words: &words, registers: [3, 0, 0, 0], around, definitions: Vec::new() }
            .value(&expression)
            .number()
    };
    assert_eq!(value("V == 1 and not CONFIG == 4"), 1);
    assert_eq!(value("False and False or True"), 1);
    assert_eq!(value("False and (False or True)"), 0);
    assert_eq!(value("not False and False"), 0);
    assert_eq!(value("CONFIG in (4, 5)"), 1);
    assert_eq!(value("world in ('EL1', 'E2H') and sec == 'NS'"), 1);
    assert_eq!(value("7 if V == 0 else 8 if ver >= 2 else 9"), 8);
    assert_eq!(value("IDR0.S2P == 1 and IDR0.S1P == 1 and ver < 3"), 1);
    assert_eq!(value("STE.S1PIE == 1 or STE.S1MPAM == 0"), 0);
    assert_eq!(value("mpam_in(sec) and partid_nonzero() and not vms_supported()"), 1);
}
