//! Guest RAM: a file without a name that QEMU and this process both map.
//!
//! QEMU opens the file through `/proc/<this process>/fd/<number>`, so it never has a name in a directory and
//! cannot be left behind, however either process ends. Its pages take up space only once they are touched.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::slice;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};

use crate::error::QemuError;

/// The guest-physical address of the first byte of RAM on QEMU's virt machine.
pub(crate) const BASE: u64 = 0x4000_0000;

/// A mapping of all of guest RAM.
#[derive(Debug)]
pub(crate) struct Ram {
    map: MmapRaw,
    /// Keeps the file descriptor open that [`Ram::path`] names.
    file: File,
}

impl Ram {
    /// Makes `bytes` (a multiple of 8) of zeroed RAM.
    pub(crate) fn new(bytes: u64) -> Result<Self, QemuError> {
        Self::map(bytes).map_err(|error| QemuError::Ram { reason: error.to_string() })
    }

    fn map(bytes: u64) -> io::Result<Self> {
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        let file = tempfile::tempfile()?;
        file.set_len(bytes)?;
        let map = MmapOptions::new().len(length).map_raw(&file)?;
        Ok(Self { map, file })
    }

    /// The path by which another process of the same user can open the file, as long as `self` lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// All of RAM. Word `i` is at guest-physical address [`BASE`]` + 8 * i`.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        let words = self.map.len() / size_of::<AtomicU64>();
        let start = self.map.as_ptr().cast::<AtomicU64>();
        // SAFETY:
        // - Live: `map` owns the mapping of `map.len()` bytes at `start`, never moves it, and unmaps it only
        //   when it is dropped; the slice borrows `self`, so it ends earlier. `8 * words <= map.len()`, which
        //   mmap keeps below `isize::MAX`.
        // - Backed: the file was given its length before it was mapped. Only this process and QEMU have it
        //   open, and it has no name. (Whoever may reach it through /proc may write to this process's memory
        //   anyway.) This module never changes its length again, and QEMU, which is told this same length,
        //   only ever lengthens a file that is too short. So no page loses its backing.
        // - Aligned: mmap returns page-aligned addresses; AtomicU64 needs 8.
        // - Initialised and valid: a file's bytes always have values (at first 0), and every value is an
        //   AtomicU64.
        // - Aliasing: the memory is readable and writable, and `&AtomicU64` allows it to change. In this
        //   process it is accessed through slices from this function only, hence atomically; no `&mut` or
        //   plain reference to it is ever made (`MmapRaw` makes none). QEMU's accesses are another process's,
        //   as a device's are.
        unsafe { slice::from_raw_parts(start, words) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::sync::atomic::Ordering::SeqCst;

    use super::Ram;

    #[test]
    fn is_shared_through_its_path() {
        let ram = Ram::new(0x3000).unwrap();
        assert_eq!(ram.words().len(), 0x600);
        assert!(ram.words().iter().all(|word| word.load(SeqCst) == 0));
        ram.words()[0x5ff].store(0x0123_4567_89ab_cdef, SeqCst);
        let other = std::fs::OpenOptions::new().read(true).write(true).open(ram.path()).unwrap();
        let mut bytes = [0; 8];
        other.read_exact_at(&mut bytes, 0x2ff8).unwrap();
        assert_eq!(u64::from_ne_bytes(bytes), 0x0123_4567_89ab_cdef);
        other.write_all_at(&7u64.to_ne_bytes(), 8).unwrap();
        assert_eq!(ram.words()[1].load(SeqCst), 7);
    }
}
