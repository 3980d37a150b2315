//! Sets as lists of names, for `serde`.

use core::fmt;
use core::marker::PhantomData;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

struct Members<T, A, F> {
    set: A,
    with: F,
    member: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, A, F: Fn(A, T) -> A> Visitor<'de> for Members<T, A, F> {
    type Value = A;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut names: S) -> Result<A, S::Error> {
        let mut set = self.set;
        while let Some(member) = names.next_element()? {
            set = (self.with)(set, member);
        }
        Ok(set)
    }
}

/// `empty`, with each member of a list put in by `with`.
pub(super) fn members<'de, D, T, A>(
    deserializer: D,
    empty: A,
    with: impl Fn(A, T) -> A,
) -> Result<A, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(Members { set: empty, with, member: PhantomData })
}
