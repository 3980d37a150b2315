//! The two macros: [`bitfields!`](crate::bitfields) for words of fields, [`view!`](crate::view) for structures in memory.

/// Declares a word of named fields. See [`layout`](crate::layout).
///
/// Fields are listed from bit 0 up as `NAME: type, width;` and reserved gaps as `_: width;`. After the width there may be
/// the version that defined the field (`since V3_3`) and names of its values (`= { 0: "off", 1: "on" }`); both become
/// part of the field's documentation. For each field there is a getter in lower case and a constant in upper case;
/// [`Layout`](crate::layout::Layout) and `Debug` are implemented.
///
/// ```
/// smmu_regs::bitfields! {
///     /// An example.
///     pub struct Example(u32) = "EXAMPLE" {
///         /// Turns it on.
///         ENABLE: bool, 1;
///         _: 3;
///         /// How much.
///         LEVEL: u8, 4 = { 0: "nothing", 15: "everything" };
///         _: 24;
///     }
/// }
/// let word = Example::new().with(Example::ENABLE, true).try_with(Example::LEVEL, 9)?;
/// assert_eq!((word.enable(), word.level(), word.into_bits()), (true, 9, 0x91));
/// assert!(Example::new().try_with(Example::LEVEL, 16).is_err());
/// # Ok::<(), smmu_regs::layout::FieldError>(())
/// ```
#[macro_export]
macro_rules! bitfields {
    ($(
        $(#[$meta:meta])*
        $vis:vis struct $name:ident($repr:ident) = $arch:literal { $($body:tt)* }
    )*) => {$(
        $crate::bitfields!(@fields [$(#[$meta])*] $vis $name $repr $arch [] [] $($body)*);
    )*};
    (@fields $m:tt $vis:vis $name:ident $repr:ident $arch:literal [$($out:tt)*] [$($names:tt)*]
     _: $gap:literal; $($rest:tt)*) => {
        $crate::bitfields!(@fields $m $vis $name $repr $arch
            [$($out)* #[bits($gap)] __: $repr,] [$($names)*] $($rest)*);
    };
    (@fields $m:tt $vis:vis $name:ident $repr:ident $arch:literal [$($out:tt)*] [$($names:tt)*]
     $(#[$doc:meta])* $field:ident: $ty:ident, $width:literal
     $(since $since:ident)? $(= { $($value:literal: $text:literal),+ $(,)? })?; $($rest:tt)*) => {
        $crate::bitfields!(@fields $m $vis $name $repr $arch
            [$($out)*
                $(#[$doc])*
                $(#[doc = ""] #[doc = $crate::since_text!($since)])?
                $(#[doc = ""] $(#[doc = concat!("* ", $value, ": ", $text)])+)?
                #[bits($width, access = RO)] pub [< # $field:lower>]: $ty,]
            [$($names)*
                {[
                    $(#[$doc])*
                    $(#[doc = ""] #[doc = $crate::since_text!($since)])?
                    $(#[doc = ""] $(#[doc = concat!("* ", $value, ": ", $text)])+)?
                ] $field $ty [$($since)?] [$($(($value, $text),)+)?]}]
            $($rest)*);
    };
    (@since) => { $crate::version::Version::V3_0 };
    (@since $since:ident) => { $crate::version::Version::$since };
    (@fields [$($meta:tt)*] $vis:vis $name:ident $repr:ident $arch:literal [$($out:tt)*]
     [$({[$($doc:tt)*] $field:ident $ty:ident [$($since:tt)*] [$($values:tt)*]})*]) => {
        $crate::layout::reexport::pastey::paste! {
            $($meta)*
            #[$crate::layout::reexport::bitfield_struct::bitfield($repr, debug = false)]
            #[derive(PartialEq, Eq)]
            $vis struct $name { $($out)* }

            #[allow(dead_code)]
            impl $name {
                $(
                    $($doc)*
                    $vis const $field: $crate::layout::Field<Self, $ty> =
                        $crate::layout::Field::new($crate::layout::FieldInfo {
                            name: stringify!($field),
                            lsb: Self::[<$field _OFFSET>] as u32,
                            width: Self::[<$field _BITS>] as u32,
                        });
                )*

                /// This word with a one-bit field set to `value`.
                #[inline]
                #[must_use]
                $vis const fn with(self, field: $crate::layout::Field<Self, bool>, value: bool) -> Self {
                    let mask = field.mask() as $repr;
                    Self::from_bits(if value { self.into_bits() | mask } else { self.into_bits() & !mask })
                }

                /// This word with a field set to `value`.
                ///
                /// # Errors
                /// The value does not fit.
                #[inline]
                $vis fn try_with<T: Into<u64>>(
                    self,
                    field: $crate::layout::Field<Self, T>,
                    value: T,
                ) -> Result<Self, $crate::layout::FieldError> {
                    $crate::layout::insert($arch, self.into_bits() as u64, field.info(), value.into())
                        .map(|word| Self::from_bits(word as $repr))
                }

                /// This word with a field that holds address bits at their own positions set to `address`.
                ///
                /// # Errors
                /// The address has bits outside the field.
                #[inline]
                $vis fn try_with_address<T>(
                    self,
                    field: $crate::layout::Field<Self, T>,
                    address: u64,
                ) -> Result<Self, $crate::layout::FieldError> {
                    $crate::layout::insert_address($arch, self.into_bits() as u64, field.info(), address)
                        .map(|word| Self::from_bits(word as $repr))
                }

                /// The address in a field that holds address bits at their own positions.
                #[inline]
                #[must_use]
                $vis const fn address<T>(self, field: $crate::layout::Field<Self, T>) -> u64 {
                    self.into_bits() as u64 & field.mask()
                }
            }

            impl $crate::layout::Layout for $name {
                const NAME: &'static str = $arch;
                const WIDTH: u32 = $repr::BITS;
                const FIELDS: &'static [$crate::layout::FieldInfo] = &[$(Self::$field.info(),)*];
                const MEANINGS: &'static [$crate::layout::Meaning] = &[$(
                    $crate::layout::Meaning {
                        since: $crate::bitfields!(@since $($since)*),
                        values: &[$($values)*],
                    },
                )*];

                #[inline]
                fn word(self) -> u64 {
                    self.into_bits() as u64
                }

                #[inline]
                fn from_word(word: u64) -> Self {
                    Self::from_bits(word as $repr)
                }
            }

            impl core::fmt::Debug for $name {
                fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                    $crate::layout::format_fields(*self, f)
                }
            }
        }
    };
}

/// Declares a view: an in-memory structure of little-endian 64-bit words, always a copy, that judges nothing and keeps
/// every bit. Made with `zerocopy`, so that it can also be read from and written to plain bytes.
#[macro_export]
macro_rules! view {
    ($(#[$meta:meta])* $vis:vis struct $name:ident([u64; $count:literal]);) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, PartialEq, Eq, Hash, Default,
            $crate::layout::reexport::zerocopy::FromBytes,
            $crate::layout::reexport::zerocopy::IntoBytes,
            $crate::layout::reexport::zerocopy::Immutable,
            $crate::layout::reexport::zerocopy::KnownLayout,
            $crate::layout::reexport::zerocopy::Unaligned,
        )]
        #[zerocopy(crate = "::smmu_regs::layout::reexport::zerocopy")]
        #[repr(C)]
        $vis struct $name([$crate::layout::reexport::zerocopy::little_endian::U64; $count]);

        impl $name {
            /// Number of 64-bit words.
            pub const WORDS: usize = $count;
            /// Size in bytes.
            pub const BYTES: usize = $count * 8;

            /// The structure with these words.
            #[inline]
            #[must_use]
            pub const fn from_words(words: [u64; $count]) -> Self {
                let mut view = [$crate::layout::reexport::zerocopy::little_endian::U64::ZERO; $count];
                let (mut to, mut from): (&mut [_], &[u64]) = (&mut view, &words);
                while let ([first, to_rest @ ..], [value, from_rest @ ..]) = (to, from) {
                    *first = $crate::layout::reexport::zerocopy::little_endian::U64::new(*value);
                    (to, from) = (to_rest, from_rest);
                }
                Self(view)
            }

            /// The words.
            #[inline]
            #[must_use]
            pub fn words(&self) -> [u64; $count] {
                self.0.map(|word| word.get())
            }
        }
    };
}
