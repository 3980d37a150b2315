//! One of the ways in which hardware may do something: a list of choices, made when they come up.
//!
//! Code that may take one of several courses asks [`World::choose`]. Running it again and again with the next list of
//! choices ([`next_path`]) visits every way; a way that contradicts itself is given up with [`World::contradiction`].

use crate::times::Times;

/// What was chosen, and of how many.
pub(crate) type Choice = (usize, usize);

/// A way through.
#[derive(Clone, Debug)]
pub(crate) struct World {
    path: Vec<Choice>,
    taken: usize,
    /// The moments at which what has been read so far could be in use together.
    pub(crate) times: Times,
    impossible: bool,
    /// Table descriptors were read, which may be cached.
    pub(crate) stepped: bool,
    /// It is what really happens: events are recorded, descriptors updated.
    pub(crate) real: bool,
}

impl World {
    /// Follows `path`, and takes the first course wherever it ends.
    pub(crate) fn along(path: Vec<Choice>, real: bool) -> Self {
        Self { path, taken: 0, times: Times::always(), impossible: false, stepped: false, real }
    }

    /// One of `of` courses. With none to choose from the way is impossible.
    pub(crate) fn choose(&mut self, of: usize) -> usize {
        if of == 0 {
            self.contradiction();
        }
        // Whatever follows a contradiction does not matter.
        if of <= 1 || self.impossible {
            return 0;
        }
        let choice = match self.path.get(self.taken) {
            Some((choice, _)) => *choice,
            None => {
                self.path.push((0, of));
                0
            }
        };
        self.taken += 1;
        choice
    }

    /// Restricts the moments; a way without any is impossible.
    pub(crate) fn at(&mut self, times: &Times) {
        self.times = self.times.and(times);
        if self.times.is_empty() {
            self.contradiction();
        }
    }

    /// This cannot be.
    pub(crate) fn contradiction(&mut self) {
        self.impossible = true;
    }

    /// Whether it can be, so far.
    pub(crate) fn possible(&self) -> bool {
        !self.impossible
    }

    /// The choices that were made.
    pub(crate) fn into_path(mut self) -> Vec<Choice> {
        self.path.truncate(self.taken);
        self.path
    }
}

/// The next list of choices after `path`: the last one that has another course takes it.
pub(crate) fn next_path(mut path: Vec<Choice>) -> Option<Vec<Choice>> {
    while let Some((choice, of)) = path.pop() {
        if choice + 1 < of {
            path.push((choice + 1, of));
            return Some(path);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{World, next_path};

    #[test]
    fn every_way_is_visited_once() {
        let mut seen = Vec::new();
        let mut path = Some(Vec::new());
        while let Some(this) = path {
            let mut world = World::along(this, false);
            let first = world.choose(2);
            let second = if first == 1 { world.choose(3) } else { world.choose(1) };
            seen.push((first, second));
            path = next_path(world.into_path());
        }
        assert_eq!(seen, [(0, 0), (1, 0), (1, 1), (1, 2)]);
    }
}
