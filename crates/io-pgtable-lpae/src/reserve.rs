//! New tables on their way into the tree: allocated and chained, then filled, then published, then linked.

use crate::config::TableConfig;
use crate::error::MapError;
use crate::format::Format;
use crate::walk::{Table, entries};
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Dword, Memory, MemoryError, Pages};

/// The address of memory for a table, if a table descriptor can hold it.
#[inline]
pub(crate) fn table_address(config: &TableConfig, pages: &Pages) -> Result<PhysAddr, MapError> {
    let (address, output) = (pages.base(), config.output());
    if !output.contains(address.get()) || !address.is_aligned(config.granule().bytes()) {
        return Err(MapError::TableAddress { address, output });
    }
    Ok(address)
}

/// New tables that wait for one barrier before they are linked.
pub(crate) struct Links<'m> {
    waiting: [Option<(&'m Dword, u64)>; 16],
    len: usize,
}

impl<'m> Links<'m> {
    pub(crate) const EMPTY: Self = Self { waiting: [None; 16], len: 0 };

    #[inline]
    pub(crate) fn push<M: Memory + ?Sized>(&mut self, memory: &M, entry: &'m Dword, descriptor: u64) {
        if self.len == self.waiting.len() {
            self.store(memory);
        }
        if let Some(place) = self.waiting.get_mut(self.len) {
            *place = Some((entry, descriptor));
            self.len = self.len.wrapping_add(1);
        }
    }

    #[inline]
    pub(crate) fn store<M: Memory + ?Sized>(&mut self, memory: &M) {
        if self.len == 0 {
            return;
        }
        memory.publish();
        for (entry, descriptor) in self.waiting.iter().take(self.len).flatten() {
            entry.store(*descriptor);
        }
        self.len = 0;
    }
}

/// Tables that are allocated and not linked: a list through their first words.
pub(crate) struct Reserve {
    head: u64,
}

impl Reserve {
    pub(crate) const EMPTY: Self = Self { head: 0 };
    /// Bit 0 of a link tells the table at address 0 from the end of the list.
    const SOME: u64 = 1;

    pub(crate) fn allocate<M: Memory + ?Sized>(
        memory: &M,
        config: &TableConfig,
        count: u64,
    ) -> Result<Self, MapError> {
        let bytes = config.granule().bytes();
        let mut reserve = Self::EMPTY;
        for _ in 0..count {
            let pages = match memory.allocate(bytes, bytes) {
                Ok(pages) => pages,
                Err(error) => {
                    reserve.give_back(memory, bytes);
                    return Err(MapError::NoMemory(error));
                }
            };
            if let Err(error) = reserve.add(memory, config, &pages) {
                memory.free(pages);
                reserve.give_back(memory, bytes);
                return Err(error);
            }
        }
        Ok(reserve)
    }

    fn add<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        config: &TableConfig,
        pages: &Pages,
    ) -> Result<(), MapError> {
        let address = table_address(config, pages)?;
        let [first] = memory.words(address, 1)? else {
            return Err(MapError::Memory(MemoryError { address, words: 1 }));
        };
        first.store(self.head);
        self.head = address.get() | Self::SOME;
        Ok(())
    }

    /// The next table, all zero.
    #[inline]
    pub(crate) fn take<'m, M: Memory + ?Sized, F: Format>(
        &mut self,
        memory: &'m M,
    ) -> Result<Table<'m>, MapError> {
        let address = PhysAddr::new(self.head & !Self::SOME);
        let table = Table::at(memory, address, entries::<F>())?;
        match table.words().first() {
            Some(first) if self.head != 0 => {
                self.head = first.load();
                first.store(0);
                Ok(table)
            }
            _ => Err(MapError::Memory(MemoryError { address, words: entries::<F>() })),
        }
    }

    /// Frees what was not taken.
    pub(crate) fn give_back<M: Memory + ?Sized>(self, memory: &M, bytes: u64) {
        let mut head = self.head;
        while head & Self::SOME != 0 {
            let address = PhysAddr::new(head & !Self::SOME);
            let Ok([first]) = memory.words(address, 1) else { return };
            head = first.load();
            memory.free(Pages::from_raw(address, bytes));
        }
    }
}
