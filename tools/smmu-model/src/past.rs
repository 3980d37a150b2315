//! What the SMMU could have read: every value that watched memory has had, and when.
//!
//! Nobody tells the model of a store. It looks at watched memory whenever something happens that orders stores (a
//! barrier, a register write) or that depends on them (a transaction), and notes what has changed. A value that
//! appeared may have been there since the look before; one that is gone is gone only at the next barrier, since until
//! then the store may not have reached memory (DDI 0487 B2.3). Of memory that comes into reach, [`Bus::settled_line`]
//! says what it was.

use std::collections::{BTreeMap, BTreeSet};

use crate::bus::Bus;
use crate::times::{Time, Times};

/// Words that are watched together: 64 bytes, aligned.
pub(crate) type Line = [u64; 8];

/// One value of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) value: u64,
    pub(crate) from: Time,
    /// [`Time::MAX`]: still there.
    pub(crate) until: Time,
}

impl Version {
    /// When it could be read.
    pub(crate) fn times(&self) -> Times {
        Times::between(self.from, self.until)
    }
}

/// A watched line.
#[derive(Clone, Debug)]
struct Watched {
    now: Line,
    /// When each word got its present value.
    from: [Time; 8],
    /// Earlier values, oldest first, with the number of the word.
    earlier: Vec<(usize, Version)>,
    /// When it last changed.
    touched: Time,
}

/// Watched memory and its past.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    lines: BTreeMap<u64, Watched>,
    /// Lines with values that are overwritten and perhaps not yet gone.
    unsettled: Vec<u64>,
    now: Time,
    /// The moment of the look before.
    before: Time,
}

const LINE: u64 = 64;

impl Past {
    /// The present moment.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Lets time pass without a look at memory.
    pub(crate) fn tick(&mut self) -> Time {
        self.now += 1;
        self.now
    }

    /// Lets `moments` pass right after a look, so that no store falls into them, and says which was the first.
    pub(crate) fn pass(&mut self, moments: Time) -> Time {
        let first = self.now + 1;
        self.now += moments;
        self.before = self.now;
        first
    }

    /// Looks at all watched memory. Returns whether anything has changed since the last look.
    pub(crate) fn look<B: Bus>(&mut self, bus: &B) -> bool {
        let now = self.tick();
        let mut changed = false;
        for (at, line) in &mut self.lines {
            // What cannot be read any more keeps its last value.
            let Some(found) = bus.read_line(*at) else { continue };
            if found == line.now {
                continue;
            }
            changed = true;
            line.touched = now;
            self.unsettled.push(*at);
            for ((number, value), (old, from)) in
                found.iter().enumerate().zip(line.now.iter().zip(&mut line.from))
            {
                if value != old {
                    line.earlier.push((number, Version { value: *old, from: *from, until: Time::MAX }));
                    *from = self.before;
                }
            }
            line.now = found;
        }
        self.before = now;
        changed
    }

    /// All stores that were seen so far have reached memory.
    pub(crate) fn settle(&mut self) {
        let now = self.pass(1);
        for at in self.unsettled.drain(..) {
            let Some(line) = self.lines.get_mut(&at) else { continue };
            for (_, version) in line.earlier.iter_mut().filter(|(_, v)| v.until == Time::MAX) {
                version.until = now;
            }
        }
    }

    /// A pair of words was stored as one: each reader sees both values or neither.
    pub(crate) fn look_at_pair<B: Bus>(&mut self, bus: &B, at: u64) -> bool {
        // The looks just before the store and just after it are one moment apart, and the store is no wider.
        let changed = self.look(bus);
        let (line, now) = (at & !(LINE - 1), self.now);
        if let Some(line) = self.lines.get_mut(&line) {
            let first = ((at % LINE) / 8) as usize;
            for number in [first, first + 1] {
                for (_, version) in
                    line.earlier.iter_mut().filter(|(n, v)| *n == number && v.until == Time::MAX)
                {
                    version.until = now;
                }
                if let Some(from) = line.from.get_mut(number).filter(|from| **from + 1 == now) {
                    *from = now;
                }
            }
        }
        changed
    }

    /// Watches the line that holds `at` from now on.
    pub(crate) fn watch<B: Bus>(&mut self, bus: &B, at: u64) {
        let at = at & !(LINE - 1);
        if !self.lines.contains_key(&at)
            && let Some(now) = bus.read_line(at)
        {
            // Stores since the last barrier may not have reached memory, whoever watched.
            let settled = bus.settled_line(at).unwrap_or(now);
            let gone = settled.iter().zip(now).enumerate().filter(|(_, (old, new))| *old != new);
            let version = |value| Version { value, from: self.before, until: Time::MAX };
            let earlier: Vec<_> = gone.map(|(number, (old, _))| (number, version(*old))).collect();
            if !earlier.is_empty() {
                self.unsettled.push(at);
            }
            self.lines.insert(at, Watched { now, from: [self.before; 8], earlier, touched: self.now });
        }
    }

    /// Whether a word of the line that holds `at` has, or had, a value that is `wanted`.
    pub(crate) fn any_of_line(&self, at: u64, wanted: impl Fn(u64) -> bool) -> bool {
        self.lines.get(&(at & !(LINE - 1))).is_some_and(|line| {
            line.now.iter().any(|word| wanted(*word)) || line.earlier.iter().any(|(_, v)| wanted(v.value))
        })
    }

    /// All values that the word at `at` has had since it is watched, the present one last.
    pub(crate) fn versions(&self, at: u64) -> Vec<Version> {
        let Some(line) = self.lines.get(&(at & !(LINE - 1))) else { return Vec::new() };
        let number = ((at % LINE) / 8) as usize;
        let earlier = line.earlier.iter().filter(|(n, _)| *n == number).map(|(_, v)| *v);
        let present = line.now.get(number).zip(line.from.get(number));
        let present = present.map(|(value, from)| Version { value: *value, from: *from, until: Time::MAX });
        earlier.chain(present).collect()
    }

    /// The present value of the line that holds `at`, if it is watched, and when it last changed.
    pub(crate) fn line(&self, at: u64) -> Option<(Line, Time)> {
        self.lines.get(&(at & !(LINE - 1))).map(|line| (line.now, line.touched))
    }

    /// Whether the words of a line have only ever had the values that they have now, as far as is remembered.
    pub(crate) fn calm(&self, at: u64) -> bool {
        self.lines.get(&(at & !(LINE - 1))).is_none_or(|line| line.earlier.is_empty())
    }

    /// Forgets every value that was gone before `time`, and lines without a past that are not in `reachable`.
    pub(crate) fn forget(&mut self, time: Time, reachable: &BTreeSet<u64>) {
        self.lines.retain(|at, line| {
            line.earlier.retain(|(_, version)| version.until > time);
            !line.earlier.is_empty() || reachable.contains(at)
        });
    }
}
