//! Which commands a queue takes: some implementations have further queues that take invalidations only.

use crate::command::{Opcode, RawCommand};

/// A set of opcodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OpcodeSet([u128; 2]);

impl OpcodeSet {
    /// All: what the main queue takes.
    pub const ALL: Self = Self([u128::MAX; 2]);

    /// These and no others.
    #[must_use]
    pub fn of(opcodes: &[Opcode]) -> Self {
        let [mut low, mut high] = [0, 0];
        for opcode in opcodes {
            let code = u8::from(*opcode);
            let bit = 1_u128 << (code & 0x7f);
            if code < 0x80 { low |= bit } else { high |= bit }
        }
        Self([low, high])
    }

    /// Whether `opcode` is in the set.
    #[inline]
    #[must_use]
    pub fn contains(&self, opcode: Opcode) -> bool {
        let code = u8::from(opcode);
        let [low, high] = self.0;
        let half = if code < 0x80 { low } else { high };
        half >> (code & 0x7f) & 1 != 0
    }

    /// The first command of `list` that a queue for this set does not take: every queue takes `CMD_SYNC`.
    pub(super) fn first_outside(&self, list: &[RawCommand]) -> Option<Opcode> {
        if *self == Self::ALL {
            return None;
        }
        list.iter().map(RawCommand::opcode).find(|opcode| *opcode != Opcode::Sync && !self.contains(*opcode))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_it_was_made_of() {
        let members = [0, 0x12, 0x7f, 0x80, 0xff];
        let set = OpcodeSet::of(&members.map(Opcode::from));
        for code in 0..=u8::MAX {
            assert_eq!(set.contains(Opcode::from(code)), members.contains(&code), "{code:#x}");
            assert!(OpcodeSet::ALL.contains(Opcode::from(code)));
        }
    }
}
