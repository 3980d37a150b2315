//! Sets of named bits: one enum for the names, one small set type beside it.

/// Declares an enum of names and a set of them. Each name has a label and an origin: where in the hardware (or in which
/// erratum) it comes from. With `serde` a set is a list of names, so that what is stored outlives a change of bit order.
macro_rules! bitmap {
    (
        $(#[$meta:meta])* $one:ident in $(#[$setmeta:meta])* $set:ident($repr:ty) {
            $( $(#[$doc:meta])* $name:ident = $label:literal from $origin:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum $one { $( $(#[$doc])* $name, )* }

        impl $one {
            /// All of them, in bit order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The short name: the architecture's where it has one.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// Where it comes from: a register field, the platform, or an erratum.
            #[must_use]
            pub const fn origin(self) -> &'static str {
                match self { $(Self::$name => $origin,)* }
            }
        }

        impl core::fmt::Display for $one {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }

        $(#[$setmeta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $set($repr);

        const _: () = assert!($one::ALL.len() <= <$repr>::BITS as usize);

        impl $set {
            /// Nothing.
            pub const EMPTY: Self = Self(0);
            /// Everything that these crates know.
            pub const ALL: Self = Self::of($one::ALL);

            /// The set of `members`.
            #[must_use]
            pub const fn of(members: &[$one]) -> Self {
                let (mut set, mut rest) = (Self::EMPTY, members);
                while let [first, tail @ ..] = rest {
                    set = set.with(*first);
                    rest = tail;
                }
                set
            }

            /// This set and `member`.
            #[must_use]
            pub const fn with(self, member: $one) -> Self {
                Self(self.0 | 1 << member as u8)
            }

            /// This set, and `member` if `present`.
            #[must_use]
            pub const fn with_if(self, member: $one, present: bool) -> Self {
                if present { self.with(member) } else { self }
            }

            /// This set without the members of `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// The members of either set.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The members of both sets.
            #[must_use]
            pub const fn intersect(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// Whether `member` is in the set.
            #[inline]
            #[must_use]
            pub const fn contains(self, member: $one) -> bool {
                self.0 >> member as u8 & 1 != 0
            }

            /// Whether all members of `other` are in this set.
            #[must_use]
            pub const fn covers(self, other: Self) -> bool {
                other.without(self).is_empty()
            }

            /// Whether there is none.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The members, in bit order.
            pub fn iter(self) -> impl Iterator<Item = $one> {
                $one::ALL.iter().copied().filter(move |member| self.contains(*member))
            }
        }

        impl core::fmt::Debug for $set {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_set().entries(self.iter().map($one::name)).finish()
            }
        }

        impl core::fmt::Display for $set {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                for (index, member) in self.iter().enumerate() {
                    if index != 0 {
                        f.write_str(" ")?;
                    }
                    f.write_str(member.name())?;
                }
                Ok(())
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $set {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.iter())
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $set {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::caps::serial::members(deserializer, Self::EMPTY, Self::with)
            }
        }
    };
}

pub(super) use bitmap;
