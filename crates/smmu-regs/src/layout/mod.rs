//! Bit layouts: one way to name, read and write a field of a register or of an in-memory word.
//!
//! [`bitfields!`](crate::bitfields) declares a word as a list of `NAME: type, width` from bit 0 up. `bitfield-struct`
//! turns the list into positions and getters; this module adds a typed constant for each field, setters that refuse a
//! value that does not fit, a table of all fields (which the layout proof compares with the facts carried in
//! `tests/facts`) and a `Debug` that prints decoded fields.

mod declare;

use crate::version::Version;
use core::fmt;
use core::marker::PhantomData;

/// A word that is divided into named fields: a register, or a dword of an in-memory structure.
pub trait Layout: Copy + 'static {
    /// The architecture's name of the word, such as `IDR0` or `STE[1]`.
    const NAME: &'static str;
    /// Width of the word in bits.
    const WIDTH: u32;
    /// All fields, from the least significant up. Bits that no field names are reserved.
    const FIELDS: &'static [FieldInfo];
    /// What is known of each of [`Layout::FIELDS`], in the same order.
    const MEANINGS: &'static [Meaning];

    /// The word as it stands, zero-extended.
    fn word(self) -> u64;

    /// A word of this layout from its bits; bits above [`Layout::WIDTH`] are no part of it.
    fn from_word(word: u64) -> Self;

    /// Mask of the bits that some field names; the others are reserved (RES0).
    #[must_use]
    fn named_bits() -> u64 {
        named_bits(Self::FIELDS)
    }
}

/// Mask of all of `fields`.
#[must_use]
pub const fn named_bits(mut fields: &[FieldInfo]) -> u64 {
    let mut mask = 0;
    while let [field, rest @ ..] = fields {
        mask |= field.mask();
        fields = rest;
    }
    mask
}

/// What is known of a field apart from its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// The version of the architecture that defined it.
    pub since: Version,
    /// Its values that have names; empty if it is a number, an address or a flag that says what its name says.
    pub values: &'static [(u64, &'static str)],
}

impl Meaning {
    /// The name of `value`.
    #[must_use]
    pub fn name(&self, value: u64) -> Option<&'static str> {
        self.values.iter().find(|(named, _)| *named == value).map(|(_, name)| *name)
    }
}

/// Name and place of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldInfo {
    /// The architecture's name.
    pub name: &'static str,
    /// Lowest bit.
    pub lsb: u32,
    /// Number of bits, 1 to 64.
    pub width: u32,
}

impl FieldInfo {
    /// The field's bits in place.
    #[must_use]
    pub const fn mask(&self) -> u64 {
        width_mask(self.width).wrapping_shl(self.lsb)
    }

    /// The field's value in `word`.
    #[must_use]
    pub const fn get(&self, word: u64) -> u64 {
        word.wrapping_shr(self.lsb) & width_mask(self.width)
    }
}

const fn width_mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// A field of layout `S` that holds a `T`: what the setters take.
pub struct Field<S, T> {
    info: FieldInfo,
    owner: PhantomData<fn() -> (S, T)>,
}

impl<S, T> Clone for Field<S, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T> Copy for Field<S, T> {}

impl<S, T> Field<S, T> {
    /// For [`bitfields!`](crate::bitfields); everybody else uses the constants it makes.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(info: FieldInfo) -> Self {
        Self { info, owner: PhantomData }
    }

    /// Name and place.
    #[must_use]
    pub const fn info(self) -> FieldInfo {
        self.info
    }

    /// The field's bits in place.
    #[must_use]
    pub const fn mask(self) -> u64 {
        self.info.mask()
    }
}

/// A value that a field cannot hold. Nothing is ever masked to make it fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldError {
    /// The word, such as `CMD_CFGI_STE[0]`.
    pub layout: &'static str,
    /// The field.
    pub field: &'static str,
    /// The value that was offered.
    pub value: u64,
    /// Why it does not fit.
    pub problem: FieldProblem,
}

/// Why a value does not fit its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldProblem {
    /// The value needs more bits than the field has.
    TooWide {
        /// Bits that the field has.
        bits: u32,
    },
    /// An address has bits set below the field's lowest bit.
    Misaligned {
        /// The alignment, in bytes, that the field can express.
        align: u64,
    },
    /// An address has bits set above the field's highest bit.
    AboveField {
        /// The highest address bit that the field can express.
        top_bit: u32,
    },
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layout, field, value, problem } = self;
        match problem {
            FieldProblem::TooWide { bits } => {
                write!(f, "{layout}.{field}: value {value:#x} does not fit in {bits} bits")
            }
            FieldProblem::Misaligned { align } => {
                write!(f, "{layout}.{field}: address {value:#x} is not aligned to {align:#x} bytes")
            }
            FieldProblem::AboveField { top_bit } => {
                write!(f, "{layout}.{field}: address {value:#x} has bits above bit {top_bit}")
            }
        }
    }
}

impl core::error::Error for FieldError {}

/// Puts `value` into `field` of `word`, or says why it does not fit.
///
/// # Errors
/// [`FieldProblem::TooWide`].
#[inline]
pub const fn insert(
    layout: &'static str,
    word: u64,
    field: FieldInfo,
    value: u64,
) -> Result<u64, FieldError> {
    if value > width_mask(field.width) {
        let problem = FieldProblem::TooWide { bits: field.width };
        return Err(FieldError { layout, field: field.name, value, problem });
    }
    Ok(word & !field.mask() | value.wrapping_shl(field.lsb))
}

/// Puts an address into a field that holds address bits at their own positions.
///
/// # Errors
/// [`FieldProblem::Misaligned`] or [`FieldProblem::AboveField`].
#[inline]
pub const fn insert_address(
    layout: &'static str,
    word: u64,
    field: FieldInfo,
    address: u64,
) -> Result<u64, FieldError> {
    let mask = field.mask();
    if address & !mask == 0 {
        return Ok(word & !mask | address);
    }
    let align = 1u64.wrapping_shl(field.lsb);
    let problem = if address & (align - 1) != 0 {
        FieldProblem::Misaligned { align }
    } else {
        FieldProblem::AboveField { top_bit: field.lsb + field.width - 1 }
    };
    Err(FieldError { layout, field: field.name, value: address, problem })
}

/// Writes `NAME { FIELD: value, .. }`: every non-zero field, then any reserved bits that are set.
///
/// # Errors
/// Those of the formatter.
pub fn format_fields<L: Layout>(value: L, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{} {{", L::NAME)?;
    write_fields(value, f)?;
    f.write_str(" }")
}

/// Writes ` FIELD=value` for every non-zero field, then any reserved bits that are set.
///
/// # Errors
/// Those of the formatter.
pub fn write_fields<L: Layout>(value: L, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let word = value.word();
    for field in L::FIELDS {
        let bits = field.get(word);
        // A field as wide as this holds address bits at their own positions: show the address.
        let address = field.width >= 40 && field.lsb > 0;
        match bits {
            0 => {}
            _ if address => write!(f, " {}={:#x}", field.name, word & field.mask())?,
            1..=9 => write!(f, " {}={bits}", field.name)?,
            _ => write!(f, " {}={bits:#x}", field.name)?,
        }
    }
    let reserved = word & !L::named_bits();
    if reserved != 0 {
        write!(f, " reserved={reserved:#x}")?;
    }
    Ok(())
}

/// What the macro's expansion needs from elsewhere.
#[doc(hidden)]
pub mod reexport {
    pub use bitfield_struct;
    pub use pastey;
    pub use zerocopy;
}
