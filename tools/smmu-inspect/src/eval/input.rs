//! A record's inputs: typed access that names the key that is missing or unfit.
//!
//! A number is a decimal or a string of hexadecimal digits after `0x`, of no more than 64 bits. Whether it fits the field
//! that it is for is a question to the library: a value that is too wide is an error of the input's, not of the file's.

use super::error::{Problem, Stop};
use serde_json::{Map, Value};
use smmu_regs::{Asid, IdError, StreamId, SubstreamId, Vmid};

/// An object of a record.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    /// The record itself.
    pub(super) const fn of_record(map: &'a Map<String, Value>) -> Self {
        Self { map, path: String::new() }
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The problem that `key` is `value`.
    pub(super) fn unfit(&self, key: &str, value: &Value, wanted: &str) -> Problem {
        Problem::Unfit { key: self.key(key), value: value.to_string(), wanted: wanted.to_owned() }
    }

    fn get(&self, key: &str) -> Result<&'a Value, Problem> {
        self.map.get(key).ok_or_else(|| Problem::Missing { key: self.key(key) })
    }

    /// The object `key`.
    pub(super) fn object(&self, key: &str) -> Result<Fields<'a>, Problem> {
        match self.get(key)? {
            Value::Object(map) => Ok(Fields { map, path: self.key(key) }),
            other => Err(self.unfit(key, other, "an object")),
        }
    }

    /// The inputs, which all kinds but `hitless` keep under `in`.
    pub(super) fn inputs(&self) -> Result<Fields<'a>, Problem> {
        self.object("in")
    }

    /// The truth value `key`.
    pub(super) fn flag(&self, key: &str) -> Result<bool, Problem> {
        let value = self.get(key)?;
        value.as_bool().ok_or_else(|| self.unfit(key, value, "true or false"))
    }

    /// The truth value `key`; false if it is not there.
    pub(super) fn flag_if_any(&self, key: &str) -> Result<bool, Problem> {
        if self.map.contains_key(key) { self.flag(key) } else { Ok(false) }
    }

    /// The string `key`.
    pub(super) fn text(&self, key: &str) -> Result<&'a str, Problem> {
        let value = self.get(key)?;
        value.as_str().ok_or_else(|| self.unfit(key, value, "a string"))
    }

    /// The strings in the list `key`.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<&'a str>, Problem> {
        let value = self.get(key)?;
        let texts = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        texts.ok_or_else(|| self.unfit(key, value, "a list of strings"))
    }

    /// The number `key`.
    pub(super) fn number(&self, key: &str) -> Result<u64, Problem> {
        let value = self.get(key)?;
        number(value).ok_or_else(|| self.unfit(key, value, "a number of at most 64 bits"))
    }

    /// The number `key`, if it is there.
    pub(super) fn number_if_any(&self, key: &str) -> Result<Option<u64>, Problem> {
        if self.map.contains_key(key) { self.number(key).map(Some) } else { Ok(None) }
    }

    /// The number `key`, which is the content of a 32-bit register or counts what fits in one.
    pub(super) fn register(&self, key: &str) -> Result<u32, Problem> {
        let number = self.number(key)?;
        u32::try_from(number)
            .map_err(|_| self.unfit(key, &format!("{number:#x}").into(), "a number of 32 bits"))
    }

    /// The list `key`.
    pub(super) fn list(&self, key: &str) -> Result<&'a [Value], Problem> {
        let value = self.get(key)?;
        value.as_array().map(Vec::as_slice).ok_or_else(|| self.unfit(key, value, "a list"))
    }

    /// The objects in the list `key`.
    pub(super) fn objects(&self, key: &str) -> Result<Vec<Fields<'a>>, Problem> {
        let one = |(index, value): (usize, &'a Value)| match value {
            Value::Object(map) => Ok(Fields { map, path: format!("{}[{index}]", self.key(key)) }),
            other => Err(self.unfit(key, other, "a list of objects")),
        };
        self.list(key)?.iter().enumerate().map(one).collect()
    }

    /// The numbers in the list `key`, any number of them.
    pub(super) fn numbers(&self, key: &str) -> Result<Vec<u64>, Problem> {
        let one = |value| {
            number(value).ok_or_else(|| self.unfit(key, value, "a list of numbers of at most 64 bits"))
        };
        self.list(key)?.iter().map(one).collect()
    }

    /// The integer `key`, which may be negative.
    pub(super) fn integer(&self, key: &str) -> Result<i64, Problem> {
        let value = self.get(key)?;
        value.as_i64().ok_or_else(|| self.unfit(key, value, "an integer"))
    }

    /// The `N` numbers in the list `key`.
    pub(super) fn words<const N: usize>(&self, key: &str) -> Result<[u64; N], Problem> {
        let value = self.get(key)?;
        let numbers = value.as_array().and_then(|list| list.iter().map(number).collect::<Option<Vec<_>>>());
        numbers
            .and_then(|numbers| numbers.try_into().ok())
            .ok_or_else(|| self.unfit(key, value, &format!("a list of {N} numbers of at most 64 bits")))
    }

    /// The pairs of numbers in the list `key`.
    pub(super) fn pairs(&self, key: &str) -> Result<Vec<(u64, u64)>, Problem> {
        let value = self.get(key)?;
        let pair = |value: &Value| match value.as_array()?.as_slice() {
            [first, second] => Some((number(first)?, number(second)?)),
            _ => None,
        };
        let pairs = value.as_array().and_then(|list| list.iter().map(pair).collect());
        pairs.ok_or_else(|| self.unfit(key, value, "a list of pairs of numbers of at most 64 bits"))
    }

    /// The number `key`, for a field that the library takes as a byte.
    pub(super) fn byte(&self, key: &'static str) -> Result<u8, Stop> {
        let value = self.number(key)?;
        u8::try_from(value).map_err(|_| IdError { kind: key, value, bits: u8::BITS }.into())
    }

    /// The number `key`, for a field of 16 bits.
    pub(super) fn half(&self, key: &'static str) -> Result<u16, Stop> {
        let value = self.number(key)?;
        u16::try_from(value).map_err(|_| IdError { kind: key, value, bits: u16::BITS }.into())
    }

    /// The StreamID `sid`.
    pub(super) fn stream(&self) -> Result<StreamId, Stop> {
        Ok(StreamId::try_from(self.number("sid")?)?)
    }

    /// The SubstreamID `ssid`.
    pub(super) fn substream(&self) -> Result<SubstreamId, Stop> {
        Ok(SubstreamId::try_from(self.number("ssid")?)?)
    }

    /// The SubstreamID `ssid` of an ATC invalidation. The vectors have no PASID 0: 0 is none.
    pub(super) fn pasid(&self) -> Result<Option<SubstreamId>, Stop> {
        Ok(Some(self.substream()?).filter(|substream| *substream != SubstreamId::ZERO))
    }

    /// The ASID `asid`.
    pub(super) fn asid(&self) -> Result<Asid, Stop> {
        Ok(Asid::try_from(self.number("asid")?)?)
    }

    /// The VMID `vmid`.
    pub(super) fn vmid(&self) -> Result<Vmid, Stop> {
        Ok(Vmid::try_from(self.number("vmid")?)?)
    }
}

/// A decimal number or a hexadecimal string.
pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => {
            let digits = text.strip_prefix("0x")?;
            // `from_str_radix` would take a sign too.
            let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            if all_digits { u64::from_str_radix(digits, 16).ok() } else { None }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal_and_have_64_bits() {
        let of = |text: &str| number(&serde_json::from_str(text).unwrap());
        assert_eq!(of("18446744073709551615"), Some(u64::MAX));
        assert_eq!(of("\"0xffffffffffffffff\""), Some(u64::MAX));
        for bad in [
            "18446744073709551616",
            "\"0x1ffffffffffffffff\"",
            "-1",
            "1.0",
            "\"12\"",
            "\"0x\"",
            "\"0x+1\"",
            "null",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
