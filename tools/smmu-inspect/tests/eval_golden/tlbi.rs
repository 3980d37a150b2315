//! An independent reader of TLB invalidations: what the printed words remove, by the bit positions and rules of
//! IHI 0070 4.4.1.1 (`commands.toml`), and whether that is what had to go.

use super::records::{bits, mask, number};
use super::{Verdict, better, equal};
use serde_json::Value;

/// What a record asks for.
struct Wanted {
    sized: u64,
    whole: u64,
    asid: u64,
    vmid: u64,
    start: u64,
    size: u64,
    page: u32,
    /// log2 of the smallest entry that may be there.
    entry: u32,
    /// The level of all entries, where it is known.
    level: Option<u32>,
    leaf: bool,
    ranges: bool,
    ds: bool,
}

/// What one command removes: from `start`, `bytes` bytes.
struct Removed {
    start: u64,
    bytes: u128,
}

impl Wanted {
    fn new(input: &Value) -> Self {
        let of = |key: &str| input.get(key).map_or(0, number);
        let (sized, whole) = match input["op"].as_str().unwrap() {
            "TLBI_NH_VA" => (0x12, 0x11),
            "TLBI_EL2_VA" => (0x22, 0x21),
            "TLBI_S2_IPA" => (0x2a, 0x28),
            other => panic!("{other}"),
        };
        let (page, leaf) = (of("tg") as u32, input["leaf"] == true);
        let per_level = page - 3;
        // Leaves of a level, or of several with the Contiguous bit, which TLBs may hold one by one: software must
        // invalidate each (DDI 0487 D8.17 I_JQPNP). Where levels are unknown there may be pages.
        let above = if leaf && of("granule") != 0 {
            ((of("granule").trailing_zeros() - page) / per_level).min(3)
        } else {
            0
        };
        Self {
            sized,
            whole,
            asid: of("asid"),
            vmid: of("vmid"),
            start: of("iova"),
            size: of("size"),
            page,
            entry: page + above * per_level,
            level: leaf.then_some(3 - above),
            leaf,
            ranges: input["range_inv"] == true,
            ds: input.get("ds").is_some_and(|ds| ds == true),
        }
    }

    /// No address was given: everything goes.
    fn everything(&self) -> bool {
        matches!(self.size, 0 | u64::MAX)
    }

    fn max_scale(&self) -> u64 {
        if self.ds { 39 } else { 31 }
    }

    fn tags(&self) -> u64 {
        self.vmid << 32 | self.asid << 48
    }

    fn is_whole(&self, [low, high]: [u64; 2]) -> bool {
        low == self.whole | self.tags() && high == 0
    }

    /// What a sized command removes, if it is well formed and removes entries of the kind that has to go.
    fn removed(&self, [low, high]: [u64; 2]) -> Result<Removed, String> {
        let (num, scale) = (bits(low, 16, 12), bits(low, 25, 20));
        let (ttl, tg, leaf) = (bits(high, 9, 8), bits(high, 11, 10), bits(high, 0, 0));
        if low != self.sized | num << 12 | scale << 20 | self.tags() {
            return Err(format!("opcode, tags or reserved bits of {low:#x}"));
        }
        let top = if self.sized == 0x2a { 51 } else { 63 };
        let address = high & mask(top, 12);
        if high != leaf | ttl << 8 | tg << 10 | address {
            return Err(format!("reserved bits of {high:#x}"));
        }
        if (leaf == 1) != self.leaf {
            return Err(format!("LEAF is {leaf}"));
        }
        if tg == 0 {
            // One address, whatever the size of the entry that holds it.
            if num != 0 || scale != 0 || ttl != 0 {
                return Err("NUM, SCALE or TTL without TG".to_owned());
            }
            return Ok(Removed { start: address >> self.entry << self.entry, bytes: 1 << self.entry });
        }
        if !self.ranges {
            return Err("a range without IDR3.RIL".to_owned());
        }
        if u64::from(self.page) != 10 + 2 * tg {
            return Err(format!("TG {tg} is not the granule"));
        }
        if num == 0 && scale == 0 && ttl == 0 || ttl == 1 && tg == 2 && !self.ds || scale > self.max_scale() {
            return Err("a reserved encoding".to_owned());
        }
        if ttl != 0 && Some(ttl as u32) != self.level {
            return Err(format!("TTL {ttl} is not the level of the entries"));
        }
        // The bits of 4.4.1.1's table that must be 0.
        let shift = if ttl == 0 { self.page } else { self.page + (3 - ttl as u32) * (self.page - 3) };
        if address & ((1 << shift) - 1) != 0 {
            return Err(format!("address {address:#x} is not aligned to 2^{shift}"));
        }
        Ok(Removed { start: address, bytes: u128::from(num + 1) << (scale + u64::from(self.page)) })
    }

    /// Whether `commands` remove everything that has to go, and how many bytes more.
    fn extra(&self, commands: &[[u64; 2]]) -> Result<u128, String> {
        let mut removed = commands.iter().map(|words| self.removed(*words)).collect::<Result<Vec<_>, _>>()?;
        removed.sort_by_key(|removed| removed.start);
        let start = u128::from(self.start >> self.entry << self.entry);
        let end = u128::from(self.start) + u128::from(self.size);
        let end = end.next_multiple_of(1 << self.entry);
        let (mut reached, mut extra) = (start, 0);
        for Removed { start: from, bytes } in removed {
            let (from, to) = (u128::from(from), u128::from(from) + bytes);
            if from > reached {
                return Err(format!("{reached:#x} to {from:#x} stays"));
            }
            extra += start.saturating_sub(from) + to.saturating_sub(end.max(from));
            reached = reached.max(to);
        }
        if reached < end { Err(format!("{reached:#x} to {end:#x} stays")) } else { Ok(extra) }
    }
}

fn pairs(list: &Value) -> Vec<[u64; 2]> {
    list.as_array().unwrap().iter().map(|pair| [number(&pair[0]), number(&pair[1])]).collect()
}

/// Judges the answer to one record.
pub(crate) fn judge(record: &Value, answer: &Value) -> Verdict {
    let wanted = Wanted::new(&record["in"]);
    let ours = pairs(&answer["cmds"]);
    if number(&answer["count"]) != ours.len() as u64 {
        return Err("count is not the length of the list".to_owned());
    }
    let recorded_count = number(&record["count"]);
    // A recorded list may leave something behind; then it is no measure of how few commands are enough.
    let recorded_leaves =
        record["full"] == false && record.get("cmds").is_some_and(|list| wanted.extra(&pairs(list)).is_err());

    if answer["full"] == true {
        let [only] = ours[..] else { return Err("not one command for everything".to_owned()) };
        if !wanted.is_whole(only) {
            return Err("not the command for everything of the tag".to_owned());
        }
        let granules = wanted.size.div_ceil(1 << wanted.page);
        return if wanted.everything() || record["full"] == true {
            equal()
        } else if !wanted.ranges && recorded_count >= 16 {
            better("everything of the tag in place of 16 commands and more (default policy)")
        } else if wanted.ranges && u128::from(granules) > 32 << wanted.max_scale() {
            better("more granules than SCALE reaches (4.4.1.1): everything of the tag, not a wrapped SCALE")
        } else if recorded_leaves {
            better("recorded list leaves entries behind; so many pages are everything of the tag")
        } else {
            Err("everything of the tag, where a few commands are enough".to_owned())
        };
    }
    if wanted.everything() {
        return Err("everything was to go".to_owned());
    }
    let extra = wanted.extra(&ours)?;
    if extra != 0 && extra * 16 >= u128::from(wanted.size).max(16 << wanted.page) {
        return Err(format!("{extra:#x} bytes more than asked"));
    }
    if recorded_leaves {
        return better(
            "recorded list leaves entries behind (SCALE, TTL, Contiguous or unknown levels); ours none",
        );
    }
    match (ours.len() as u64).cmp(&recorded_count) {
        std::cmp::Ordering::Less => better("fewer commands"),
        std::cmp::Ordering::Greater => Err(format!("{} commands, recorded {recorded_count}", ours.len())),
        std::cmp::Ordering::Equal if answer["cmds"] == record["cmds"] => equal(),
        std::cmp::Ordering::Equal => better("as few commands, with another hint or without a needless page"),
    }
}
