//! A named run of bits inside a register, a structure in memory, a command or an event record.
//!
//! Everything the model takes apart is first loaded as little-endian 64-bit words; a field is a bit number counted
//! from bit 0 of word 0, exactly as IHI 0070 numbers the bits of its 64-byte and 32-byte structures.

/// A field: `width` bits from bit `lsb` upwards. No field crosses a 64-bit word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Number of the lowest bit, counted from bit 0 of the structure.
    pub lsb: u16,
    /// Number of bits, 1 to 64.
    pub width: u16,
}

impl Field {
    /// A field of `width` bits from bit `lsb`.
    #[must_use]
    pub const fn new(lsb: u16, width: u16) -> Self {
        Self { lsb, width }
    }

    /// `width` ones, at bit 0.
    const fn ones(self) -> u64 {
        if self.width >= 64 { u64::MAX } else { (1 << self.width) - 1 }
    }

    /// Index of the 64-bit word that holds the field.
    #[must_use]
    pub const fn word(self) -> usize {
        (self.lsb / 64) as usize
    }

    /// The field's bits in place, within its word.
    #[must_use]
    pub const fn mask(self) -> u64 {
        self.ones() << (self.lsb % 64)
    }

    /// Value of the field in `words`; 0 when the structure is too short.
    #[must_use]
    pub fn get(self, words: &[u64]) -> u64 {
        words.get(self.word()).map_or(0, |w| (w >> (self.lsb % 64)) & self.ones())
    }

    /// Value of a one-bit field.
    #[must_use]
    pub fn is_set(self, words: &[u64]) -> bool {
        self.get(words) != 0
    }

    /// Value of the field in a single register.
    #[must_use]
    pub fn of(self, value: u64) -> u64 {
        self.get(&[value])
    }

    /// Address held in place: the field's bits at their own positions, all others zero (IHI 0070 4.1.6).
    #[must_use]
    pub fn in_place(self, words: &[u64]) -> u64 {
        words.get(self.word()).map_or(0, |w| w & self.mask())
    }

    /// Stores the low `width` bits of `value` into the field.
    pub fn put(self, words: &mut [u64], value: u64) {
        let mask = self.mask();
        if let Some(w) = words.get_mut(self.word()) {
            *w = (*w & !mask) | ((value & self.ones()) << (self.lsb % 64));
        }
    }
}
