//! Sets of moments: when something could have been read, or could still be cached.
//!
//! Time is counted in observations (see `past`), not in seconds.

/// A moment.
pub(crate) type Time = u64;

/// A set of moments: sorted, disjoint, half-open intervals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Times(Vec<(Time, Time)>);

impl Times {
    /// All moments.
    pub(crate) fn always() -> Self {
        Self(vec![(0, Time::MAX)])
    }

    /// From `from` on, until before `until`.
    pub(crate) fn between(from: Time, until: Time) -> Self {
        Self(if from < until { vec![(from, until)] } else { Vec::new() })
    }

    /// No moment at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `time` is one of them.
    pub(crate) fn contains(&self, time: Time) -> bool {
        self.0.iter().any(|(from, until)| (*from..*until).contains(&time))
    }

    /// The intervals.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = (Time, Time)> + '_ {
        self.0.iter().copied()
    }

    /// The moments that are in both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut common = Vec::new();
        for (from, until) in &self.0 {
            for (other_from, other_until) in &other.0 {
                let (from, until) = (*from.max(other_from), *until.min(other_until));
                if from < until {
                    common.push((from, until));
                }
            }
        }
        Self(common)
    }

    /// The moments that are in either.
    pub(crate) fn or(&self, other: &Self) -> Self {
        Self::union(self.intervals().chain(other.intervals()).collect())
    }

    /// The union of intervals in any order.
    pub(crate) fn union(mut intervals: Vec<(Time, Time)>) -> Self {
        intervals.sort_unstable();
        let mut joined: Vec<(Time, Time)> = Vec::with_capacity(intervals.len());
        for (from, until) in intervals {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => joined.push((from, until)),
            }
        }
        Self(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::Times;

    #[test]
    fn sets_behave_as_sets() {
        let a = Times::between(2, 5).or(&Times::between(8, 9));
        let b = Times::between(4, 8);
        for time in 0..12 {
            let (in_a, in_b) = (a.contains(time), b.contains(time));
            assert_eq!(a.and(&b).contains(time), in_a && in_b, "{time}");
            assert_eq!(a.or(&b).contains(time), in_a || in_b, "{time}");
        }
        assert!(Times::between(3, 3).is_empty());
        assert_eq!(a.or(&b), Times::between(2, 9));
    }
}
