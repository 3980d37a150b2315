//! The stream table of an owner that is no more, in the hands of a new one: streams are attached and detached while those that
//! nobody touches go on.

use super::root::Root;
use super::write::Caches;
use super::{InheritError, InheritProblem, Inherited, InheritedTable, StreamTable};
use crate::ste::word::Ste1;
use smmu_regs::platform::Memory;

impl StreamTable {
    /// Goes on with an inherited table, after a walk over all of it: `most` and `visit` are those of
    /// [`InheritedTable::walk`].
    ///
    /// The last owner must be gone, and its queues too ([`Running::take_queues`](smmu_regs::lifecycle::Running::take_queues)).
    /// What it may have left in caches is not trusted: the first change drops everything, configuration and translations.
    ///
    /// The memory stays where it is and must stay reserved; level-2 tables that are missing come from [`Memory::allocate`].
    /// Nothing of an inherited table is given back, see [`StreamTable::into_pages`]. CD tables and page tables of streams that
    /// were attached are the last owner's: keep them until the stream has been changed and its receipt is there.
    ///
    /// # Errors
    /// As [`InheritedTable::walk`]; also an STE that says that its neighbours are the same (`CONT`), since it could not be
    /// changed alone. Take the SMMU over instead.
    pub fn inherit<M: Memory>(
        memory: &M,
        table: &InheritedTable,
        most: u64,
        mut visit: impl FnMut(Inherited),
    ) -> Result<Self, InheritError> {
        let mut contiguous = None;
        table.walk(memory, most, |found| {
            if let Inherited::Stream(stream, ste) = found {
                let [_, one, ..] = ste.words();
                let cont = Ste1::from_bits(one).cont();
                if cont != 0 && contiguous.is_none() {
                    let problem = InheritProblem::Contiguous { cont };
                    contiguous = Some(InheritError { stream, substream: None, problem });
                }
            }
            visit(found);
        })?;
        let root = Root { shape: table.shape(), base: table.base, inherited: true };
        let caches = Caches::inherited(table.instance);
        contiguous.map_or(Ok(Self { root, caps: table.caps, caches }), Err)
    }
}
