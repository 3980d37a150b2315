//! Break-before-make: a valid descriptor may be replaced by another valid one only if no cache can hold both, or if the
//! BBM level of the SMMU permits the change (IHI 0070 3.21.1.3; DDI 0487 D8.16.1).

use crate::bus::Bus;
use crate::geometry::{Granule, Kind, Tables};
use crate::layout::{idr3, leaf1, leaf2};
use crate::model::Model;
use crate::reach::Owner;
use crate::times::Times;
use crate::tlb::{Place, Tag, World};

/// nT of a block descriptor: it is never cached beside what it replaces (D8.16.2).
const NT: u64 = 1 << 16;

impl<B: Bus> Model<B> {
    /// The descriptor at `pa` has changed: complains if a TLB can hold both what it was and what it is.
    /// `through`: when the table that holds it can or could be read.
    pub(crate) fn check_replacement(
        &mut self,
        tables: &Tables,
        owner: &Owner<'_>,
        place: &Place,
        pa: u64,
        through: &Times,
    ) {
        let Some(adversary) = &mut self.adversary else { return };
        let versions = adversary.past.versions(pa);
        let Some((new, earlier)) = versions.split_last() else { return };
        let new = tables.decode(new.value);
        if tables.kind(new, place.level) == Kind::Invalid {
            return;
        }
        let now = adversary.past.now();
        let through = through.and(&adversary.enabled);
        let bbml = self.profile.id3(idr3::BBML);
        let mut found = Vec::new();
        for version in earlier {
            let old = tables.decode(version.value);
            let leaf = match tables.kind(old, place.level) {
                Kind::Invalid => continue,
                Kind::Table => false,
                Kind::Leaf => true,
            };
            let Some(what) = conflict(tables, place.level, (old, new), owner.tag().is_some(), bbml) else {
                continue;
            };
            let group = tables.contiguous_group(old, place);
            let cached =
                adversary.drops.cached(&version.times().and(&through), |drop| match (owner, owner.tag()) {
                    (_, Some(tag)) if leaf => {
                        let global = tag.world == World::El2 || !leaf1::NG.is_set(&[old]);
                        drop.of_leaf(&Tag { asid: if global { None } else { tag.asid }, ..tag }, place, group)
                    }
                    (_, Some(tag)) => drop.of_table(&tag, place),
                    (Owner::Stage2(vmid), _) if leaf => drop.of_stage2_leaf(*vmid, place, group),
                    (Owner::Stage2(vmid), _) => drop.of_stage2_table(*vmid, place),
                    (Owner::Stage1(_), None) => false,
                });
            if cached.contains(now) {
                found.push(format!(
                    "break-before-make: the descriptor at {pa:#x} for {:#x} (level {}) became {new:#x} while \
                     {old:#x} may be in a TLB: {what}; IDR3.BBML is {bbml} (3.21.1.3)",
                    place.base, place.level
                ));
            }
        }
        for text in found {
            self.complain(text);
        }
    }
}

/// What makes it a conflict to have both descriptors in a TLB, if anything.
fn conflict(
    tables: &Tables,
    level: i32,
    (old, new): (u64, u64),
    stage1: bool,
    bbml: u64,
) -> Option<&'static str> {
    let leaf = |descriptor| tables.kind(descriptor, level) == Kind::Leaf;
    let low = tables.granule.shift();
    match (leaf(old), leaf(new)) {
        (false, false) => (tables.output(old, low) != tables.output(new, low)).then_some("another table"),
        (true, true) => {
            let low = tables.granule.level_shift(level);
            let changed = |mask: u64| (old ^ new) & mask != 0;
            let shareable = if tables.ds && tables.granule != Granule::K64 { 0 } else { leaf1::SH.mask() };
            let memory_type = if stage1 { leaf1::ATTRINDX } else { leaf2::MEMATTR };
            if tables.output(old, low) != tables.output(new, low) {
                Some("another output address")
            } else if changed(memory_type.mask() | shareable) {
                Some("another memory type")
            } else if stage1 && old & !new & leaf1::NG.mask() != 0 {
                Some("global instead of non-global")
            } else if bbml == 0 && changed(leaf1::CONTIGUOUS.mask()) {
                Some("another size (Contiguous)")
            } else {
                None
            }
        }
        (old_is_leaf, _) => {
            let block = if old_is_leaf { old } else { new };
            let permitted = bbml >= 2 || bbml == 1 && block & NT != 0;
            (!permitted).then_some("another size")
        }
    }
}
