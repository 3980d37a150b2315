//! The range plan (IHI 0070 4.4.1): which by-address commands invalidate a range of addresses.
//!
//! A range command covers `(NUM + 1) << SCALE` granules, NUM having five bits. So any number of granules `n` fits one
//! command with the smallest SCALE whose 32 units reach it, rounded up by less than a sixteenth; and any `n` can be
//! covered exactly by two, the second anchored at the end. Neither needs a loop. Which is better is a [`Policy`].
//!
//! Some SMMUs forget a contiguous leaf only if one command covers its whole group. One command always does; where two meet
//! inside a group, the second reaches back to the group's start, or a third is for the group alone.

use core::fmt;
use io_pgtable_lpae::{Invalidation, PageSizes};
use smmu_cmds::command::{TlbiOperand, TlbiRange};
use smmu_regs::vmsa::{Granule, IovaRange, Level, LevelSet};
use smmu_regs::{Caps, Feature};

/// What the SMMU can decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RangeSupport {
    /// `IDR3.RIL`: there are range commands at all.
    pub ranges: bool,
    /// `IDR5.DS`: SCALE up to 39, and a level-1 hint for 16K granules.
    pub ds: bool,
}

impl RangeSupport {
    /// That of an SMMU with these capabilities.
    #[must_use]
    pub const fn of(caps: &Caps) -> Self {
        Self { ranges: caps.has(Feature::RangeInvalidation), ds: caps.has(Feature::Ds) }
    }

    const fn max_scale(self) -> u32 {
        if self.ds { 39 } else { 31 }
    }
}

/// How a range is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// One command; it may invalidate up to a sixteenth more than asked.
    Single,
    /// Exactly what is asked, by at most two commands (three where [`Rules::whole_groups`] asks for it).
    Exact,
    /// One command if it invalidates no more than this many granules beyond what was asked, else as [`Policy::Exact`].
    Capped {
        /// Granules too many that are still cheaper than a second command.
        extra: u64,
    },
}

/// Without range invalidation, more commands than this become an invalidation of the whole tag.
///
/// So one unmap costs at most sixteen entries of the queue with its `CMD_SYNC`, whatever its size. An SMMU without range
/// invalidation whose TLB is costly to refill may deserve more: it is a field of [`Rules`].
pub const DEFAULT_MAX_COMMANDS: u32 = 15;

/// What to invalidate by what rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    /// What the SMMU can decode.
    pub support: RangeSupport,
    /// How ranges are covered.
    pub policy: Policy,
    /// Most commands without range invalidation.
    pub max_commands: u32,
    /// The SMMU gives up a contiguous leaf only to one command that covers its whole group: an erratum of some. The
    /// architecture asks for no more than that every leaf is covered by some command (D8.17, `I_JQPNP`).
    pub whole_groups: bool,
}

impl Rules {
    /// One command where ranges are there, [`DEFAULT_MAX_COMMANDS`] where not.
    #[must_use]
    pub const fn new(support: RangeSupport) -> Self {
        Self { support, policy: Policy::Single, max_commands: DEFAULT_MAX_COMMANDS, whole_groups: false }
    }
}

/// By which commands a range is invalidated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangePlan {
    /// One to three by-address commands.
    Operands([Option<TlbiOperand>; 3]),
    /// One command for each step of addresses: there is no range invalidation.
    Steps(Steps),
    /// Everything of the tag: the range is too large for anything less.
    WholeTag,
}

/// Addresses at a fixed distance, one command each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    next: u64,
    shift: u32,
    left: u32,
    leaf: bool,
}

impl Iterator for Steps {
    type Item = TlbiOperand;

    fn next(&mut self) -> Option<TlbiOperand> {
        self.left = self.left.checked_sub(1)?;
        let operand = TlbiOperand::page(self.next, self.leaf);
        // The last step may end at the top of the address space.
        self.next = self.next.wrapping_add(1_u64.wrapping_shl(self.shift));
        Some(operand)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.left as usize;
        (left, Some(left))
    }
}

impl RangePlan {
    /// Plans the invalidation of what an unmap gathered.
    #[must_use]
    pub const fn new(what: &Invalidation, rules: &Rules) -> Self {
        let range = what.range.align_out(what.granule);
        let leaf = what.table_levels.is_empty();
        if rules.support.ranges {
            let hint = hint(what.granule, what.leaf_levels, what.table_levels, rules.support);
            plan_ranges(range, what, leaf, hint, rules)
        } else {
            plan_steps(range, what, leaf, rules.max_commands)
        }
    }

    /// The commands' operands; none for [`RangePlan::WholeTag`].
    pub fn operands(&self) -> impl Iterator<Item = TlbiOperand> + use<> {
        let (fixed, steps) = match *self {
            Self::Operands(operands) => (operands, None),
            Self::Steps(steps) => ([None; 3], Some(steps)),
            Self::WholeTag => ([None; 3], None),
        };
        fixed.into_iter().flatten().chain(steps.into_iter().flatten())
    }

    /// Number of commands for one tag, [`RangePlan::WholeTag`] being one.
    #[must_use]
    pub const fn commands(&self) -> u32 {
        match self {
            Self::Operands([_, None, _]) | Self::WholeTag => 1,
            Self::Operands([_, Some(_), None]) => 2,
            Self::Operands([_, Some(_), Some(_)]) => 3,
            Self::Steps(steps) => steps.left,
        }
    }
}

/// The level that all removed entries share, if a hint is right (4.4.1.1).
///
/// A hint at level `t` removes leaves of that level and, without Leaf, table entries of the levels above it only.
const fn hint(
    granule: Granule,
    leaf_levels: LevelSet,
    table_levels: LevelSet,
    support: RangeSupport,
) -> Option<Level> {
    let below_tables = match table_levels.deepest() {
        None => None,
        // There is no table descriptor at level 3.
        Some(Level::THREE) => return None,
        Some(deepest) => deepest.next(),
    };
    let level = match (leaf_levels.single(), below_tables) {
        (Some(leaf), None) => leaf,
        (Some(leaf), Some(needed)) if needed.number() <= leaf.number() => leaf,
        (None, Some(needed)) if leaf_levels.is_empty() => needed,
        _ => return None,
    };
    // There is no code for levels -1 and 0, and level 1 of 16K needs DS.
    let codeless = level.number() < 1;
    let reserved = matches!(granule, Granule::Size16K) && level.number() == 1 && !support.ds;
    if codeless || reserved { None } else { Some(level) }
}

const fn plan_ranges(
    range: IovaRange,
    what: &Invalidation,
    leaf: bool,
    hint: Option<Level>,
    rules: &Rules,
) -> RangePlan {
    let granule = what.granule;
    let first = range.start() >> granule.shift();
    let last = range.last() >> granule.shift();
    // A range of all 2^64 bytes has at most 2^52 granules.
    let granules = last - first + 1;
    let scale = smallest_scale(granules);
    if scale > rules.support.max_scale() {
        return RangePlan::WholeTag;
    }
    let units = ((granules - 1) >> scale) + 1;
    let single = match rules.policy {
        Policy::Single => true,
        Policy::Exact => false,
        Policy::Capped { extra } => (units << scale) - granules <= extra,
    };
    if single {
        return RangePlan::Operands([Some(operand(first, granule, leaf, hint, scale, units)), None, None]);
    }
    let units = granules >> scale;
    let head = operand(first, granule, leaf, hint, scale, units);
    let rest = granules - (units << scale);
    if rest == 0 {
        return RangePlan::Operands([Some(head), None, None]);
    }
    let mut tail = Span::up_to(last, rest);
    let mut extra = None;
    if rules.whole_groups {
        let head_last = first + (units << scale) - 1;
        if let Some((base, log2)) = split_group(first, last, head_last, tail.first, what) {
            let longer = Span::up_to(last, last - base + 1);
            if longer.first >= first {
                tail = longer;
            } else {
                extra = Some(operand(base, granule, leaf, hint, log2, 1));
            }
        }
    }
    let tail = operand(tail.first, granule, leaf, hint, tail.scale, tail.units);
    RangePlan::Operands([Some(head), Some(tail), extra])
}

/// Granules that one command covers.
struct Span {
    first: u64,
    scale: u32,
    units: u64,
}

impl Span {
    /// At least `granules` granules, the last of which is `last`: rounding up reaches back.
    const fn up_to(last: u64, granules: u64) -> Self {
        let scale = smallest_scale(granules);
        let units = ((granules - 1) >> scale) + 1;
        Self { first: (last + 1).wrapping_sub(units << scale), scale, units }
    }
}

/// The largest contiguous group of leaves, of the levels that were removed, that lies in `first..=last` and that neither the
/// granules up to `head_last` nor those from `tail_first` on have entirely: its first granule, and log2 of its size in granules.
/// Only one can be the largest: the one around the place where the two commands meet.
const fn split_group(
    first: u64,
    last: u64,
    head_last: u64,
    tail_first: u64,
    what: &Invalidation,
) -> Option<(u64, u32)> {
    let levels = [Level::ONE, Level::TWO, Level::THREE];
    let mut rest: &[Level] = &levels;
    while let [level, smaller @ ..] = rest {
        rest = smaller;
        let bytes = PageSizes::of_groups(what.granule, LevelSet::only(*level)).bitmap();
        if bytes == 0 || !what.leaf_levels.contains(*level) {
            continue;
        }
        let log2 = bytes.trailing_zeros() - what.granule.shift();
        let low = (1 << log2) - 1;
        let (base, end) = ((tail_first - 1) & !low, (tail_first - 1) | low);
        let inside = base >= first && end <= last;
        if inside && end > head_last && base < tail_first {
            return Some((base, log2));
        }
    }
    None
}

/// The smallest SCALE whose 32 units reach `granules`, which is not 0.
const fn smallest_scale(granules: u64) -> u32 {
    u64::BITS - ((granules - 1) >> 5).leading_zeros()
}

/// `units << scale` granules from granule number `first`: with the hint where the address is aligned to it, and in the
/// form without a range where only that is not reserved.
const fn operand(
    first: u64,
    granule: Granule,
    leaf: bool,
    hint: Option<Level>,
    scale: u32,
    units: u64,
) -> TlbiOperand {
    let address = first << granule.shift();
    let hint = match hint {
        Some(level) if address & ((1 << level.shift(granule)) - 1) == 0 => Some(level),
        _ => None,
    };
    // SCALE is at most 39 and there are 1 to 32 units.
    if let Ok(range) = TlbiRange::new(granule, scale as u8, (units - 1) as u8, hint) {
        if let Ok(operand) = TlbiOperand::range(address, leaf, range) {
            return operand;
        }
    }
    TlbiOperand::page(address, leaf)
}

/// One command for each entry that may be there: at the distance of the smallest.
const fn plan_steps(range: IovaRange, what: &Invalidation, leaf: bool, max_commands: u32) -> RangePlan {
    let shift = match (what.leaf_levels.deepest(), what.table_levels.deepest()) {
        (Some(level), Some(table)) if level.number() < table.number() => table.shift(what.granule),
        (Some(level), _) | (None, Some(level)) => level.shift(what.granule),
        (None, None) => what.granule.shift(),
    };
    if shift >= u64::BITS {
        // No table has such an entry: it would cover more than there is.
        return RangePlan::WholeTag;
    }
    let first = range.start() >> shift;
    let count = (range.last() >> shift) - first + 1;
    if count > max_commands as u64 {
        return RangePlan::WholeTag;
    }
    // `count` is no more than a u32.
    RangePlan::Steps(Steps { next: first << shift, shift, left: count as u32, leaf })
}

impl fmt::Display for RangePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WholeTag => f.write_str("everything of the tag"),
            Self::Steps(steps) => write!(f, "{} single commands", steps.left),
            Self::Operands(operands) => {
                for (index, operand) in operands.iter().flatten().enumerate() {
                    if index != 0 {
                        f.write_str("; ")?;
                    }
                    operand.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}
