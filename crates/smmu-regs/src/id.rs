//! The identifiers that tag transactions, translations and SMMU instances.

use core::fmt;

/// An identifier that does not fit the width the architecture gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdError {
    /// What it was to be.
    pub kind: &'static str,
    /// The value that was offered.
    pub value: u64,
    /// The bits there are.
    pub bits: u32,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x} does not fit in {} bits", self.kind, self.value, self.bits)
    }
}

impl core::error::Error for IdError {}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($repr:ty), $bits:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(try_from = "u64", into = "u64"))]
        pub struct $name($repr);

        impl $name {
            /// The widest this identifier can be, in bits.
            pub const MAX_BITS: u32 = $bits;

            /// The value.
            #[inline]
            #[must_use]
            pub const fn get(self) -> $repr {
                self.0
            }

            /// Whether the value needs no more than `bits` bits.
            #[inline]
            #[must_use]
            pub const fn fits(self, bits: u32) -> bool {
                bits >= <$repr>::BITS || self.0 >> bits == 0
            }
        }

        impl TryFrom<u64> for $name {
            type Error = IdError;

            #[inline]
            fn try_from(value: u64) -> Result<Self, IdError> {
                let error = IdError { kind: stringify!($name), value, bits: $bits };
                if value >> $bits != 0 {
                    return Err(error);
                }
                <$repr>::try_from(value).map(Self).map_err(|_| error)
            }
        }

        impl From<$name> for u64 {
            #[inline]
            fn from(id: $name) -> u64 {
                u64::from(id.0)
            }
        }

        impl From<$name> for $repr {
            #[inline]
            fn from(id: $name) -> $repr {
                id.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:#x})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

macro_rules! whole_id {
    ($name:ident($repr:ty)) => {
        impl $name {
            /// The identifier with this value.
            #[inline]
            #[must_use]
            pub const fn new(value: $repr) -> Self {
                Self(value)
            }
        }

        impl From<$repr> for $name {
            #[inline]
            fn from(value: $repr) -> Self {
                Self(value)
            }
        }
    };
}

id! {
    /// A StreamID: which device a transaction comes from (IHI 0070 3.2). `IDR1.SIDSIZE` bits are implemented.
    StreamId(u32), 32
}
whole_id!(StreamId(u32));

id! {
    /// A StreamID as a guest numbers its devices. It means nothing to the SMMU; the host knows which [`StreamId`] it stands
    /// for, if any.
    VirtualStreamId(u32), 32
}
whole_id!(VirtualStreamId(u32));

id! {
    /// A SubstreamID (PCIe: PASID): which process of the device (IHI 0070 3.2). At most 20 bits, `IDR1.SSIDSIZE` implemented.
    SubstreamId(u32), 20
}

impl SubstreamId {
    /// SubstreamID 0.
    pub const ZERO: Self = Self(0);

    /// The SubstreamID with this value.
    ///
    /// # Errors
    /// `value` needs more than 20 bits.
    pub const fn new(value: u32) -> Result<Self, IdError> {
        if value >> Self::MAX_BITS != 0 {
            return Err(IdError { kind: "SubstreamId", value: value as u64, bits: Self::MAX_BITS });
        }
        Ok(Self(value))
    }
}

id! {
    /// An ASID: tags stage-1 translations of one address space (IHI 0070 3.17). 8 bits, or 16 with `IDR0.ASID16`.
    Asid(u16), 16
}
whole_id!(Asid(u16));

id! {
    /// A VMID: tags translations of one virtual machine (IHI 0070 3.17). 8 bits, or 16 with `IDR0.VMID16`.
    Vmid(u16), 16
}
whole_id!(Vmid(u16));

id! {
    /// Which SMMU of the system: software's own numbering, so that receipts of different instances cannot be mixed up.
    /// An SMMU whose command queue is made anew gets a new number, so that nothing waits for a queue that is gone.
    InstanceId(u16), 16
}
whole_id!(InstanceId(u16));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_wide_is_an_error_with_the_value() {
        assert_eq!(SubstreamId::new(0xf_ffff).map(SubstreamId::get), Ok(0xf_ffff));
        let error = SubstreamId::new(0x10_0000).unwrap_err();
        assert_eq!(error, IdError { kind: "SubstreamId", value: 0x10_0000, bits: 20 });
        assert_eq!(SubstreamId::try_from(0x10_0000_u64), Err(error));
        assert!(StreamId::try_from(1_u64 << 32).is_err());
        assert!(Asid::new(0xff).fits(8) && !Asid::new(0x100).fits(8) && Asid::new(0xffff).fits(16));
    }
}
