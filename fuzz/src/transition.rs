//! The judge of hitless updates: looks at everything that the SMMU can see on the way, and says what it means.

use smmu_regs::Caps;
use smmu_regs::platform::Atomicity;
use smmu_ste::Ste;
use smmu_ste::update::{UpdatePlan, UsedBits, Words};

/// An update of an STE.
#[derive(Debug)]
pub struct Transition<'a> {
    /// Of the SMMU that reads it.
    pub caps: &'a Caps,
    /// From.
    pub old: Ste,
    /// To.
    pub new: Ste,
    /// What the SMMU reads in one piece.
    pub atomicity: Atomicity,
}

/// `V`.
const VALID: u64 = 1;

impl Transition<'_> {
    /// The plan.
    pub fn plan(&self) -> UpdatePlan {
        let used = UsedBits {
            current: self.old.used_bits(self.caps),
            target: self.new.used_bits(self.caps),
            safe: self.old.safe_bits(&self.new),
        };
        UpdatePlan::new(&self.old.words(), &self.new.words(), &used, VALID, self.atomicity)
    }

    /// Whether `seen` does what `ste` does, but for bits that may change at any time.
    fn means(&self, seen: &Words, ste: &Ste) -> bool {
        let (used, safe) = (ste.used_bits(self.caps), self.old.safe_bits(&self.new));
        let differs = |word: usize| (seen[word] ^ ste.words()[word]) & used[word] & !safe[word] != 0;
        !(0..8).any(differs)
    }

    /// Checks that the plan gets there in at most three steps, and every state in which it can be seen.
    pub fn check(&self, plan: &UpdatePlan) {
        assert!(plan.steps().count() <= 3);
        assert_eq!(plan.is_empty(), self.old == self.new);
        assert_eq!(plan.is_hitless(), self.pieces_that_decide() <= 1, "{plan:x?}");
        let mut before = self.old.words();
        for step in plan.steps() {
            let stored = (0..8).filter(|word| step.words[*word] != before[*word]);
            assert!(step.stores().map(|(word, _)| word).eq(stored), "stores are what changes");
            self.check_step(&before, &step.words, plan.is_hitless());
            before = step.words;
        }
        assert_eq!(before, self.new.words(), "the last step ends elsewhere");
    }

    /// Between two invalidations any piece may be seen as it was before or after the stores.
    fn check_step(&self, before: &Words, after: &Words, hitless: bool) {
        let words = match self.atomicity {
            Atomicity::Bits64 => 1,
            Atomicity::Bits128 => 2,
        };
        let stored: u8 = (0..8)
            .filter(|word| before[*word] != after[*word])
            .map(|word| 1 << (word / words))
            .fold(0, |a, b| a | b);
        // Every subset of the pieces that are stored.
        let mut visible = stored;
        loop {
            let seen: Words = std::array::from_fn(|word| {
                if visible >> (word / words) & 1 != 0 { after[word] } else { before[word] }
            });
            let good = self.means(&seen, &self.old) || self.means(&seen, &self.new);
            let invalid = !hitless && seen[0] & VALID == 0;
            assert!(good || invalid, "{visible:#b} of {stored:#b}: {seen:x?} is neither old nor new");
            if visible == 0 {
                return;
            }
            visible = (visible - 1) & stored;
        }
    }

    /// In how many pieces the two differ in a bit that both use: there is a way without a hit just if there is one at most.
    fn pieces_that_decide(&self) -> u32 {
        let (old, new) = (self.old.used_bits(self.caps), self.new.used_bits(self.caps));
        let safe = self.old.safe_bits(&self.new);
        let decides = |word: usize| {
            (self.old.words()[word] ^ self.new.words()[word]) & old[word] & new[word] & !safe[word] != 0
        };
        match self.atomicity {
            Atomicity::Bits64 => (0..8).filter(|word| decides(*word)).count() as u32,
            Atomicity::Bits128 => {
                (0..4).filter(|pair| decides(2 * pair) || decides(2 * pair + 1)).count() as u32
            }
        }
    }
}
