//! Whether a CD is legal through an STE: the same CD can be legal through one and illegal through another (IHI 0070 5.4.1).

use super::word::Cd0;
use super::{Cd, CdError};
use crate::ste::Ste;
use crate::ste::word::Ste1;

impl Cd {
    /// Whether this CD may be reached through `ste`. The world is judged when the CD is made
    /// ([`CdOptions::world`](super::CdOptions::world)).
    ///
    /// # Errors
    /// The CD asks for stalls and the STE refuses them (5.5).
    pub fn check_through(&self, ste: &Ste) -> Result<(), CdError> {
        let ([zero, ..], [_, one, ..]) = (self.words(), ste.words());
        let cd = Cd0::from_bits(zero);
        if cd.v() && cd.s() && Ste1::from_bits(one).s1stalld() {
            return Err(CdError::StallRefused);
        }
        Ok(())
    }
}
