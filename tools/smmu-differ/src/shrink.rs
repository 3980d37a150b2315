//! Making a disagreement small: operations are left out and ranges made simpler as long as it stays.

use crate::op::{Flush, Op, Sequence};
use crate::{DifferError, Disagreement};
use smmu_ste::table::StreamTableShape;

/// Runs that shrinking may cost.
const BUDGET: u32 = 600;

/// Makes `found` small. `run` runs a sequence and says what it disagrees in.
///
/// # Errors
/// Those of `run`.
pub(crate) fn shrink(
    found: Disagreement,
    run: &mut dyn FnMut(&Sequence) -> Result<Option<Disagreement>, DifferError>,
) -> Result<Disagreement, DifferError> {
    let mut shrinker = Shrinker { best: found, left: BUDGET, run };
    loop {
        let before = shrinker.best.sequence.clone();
        shrinker.leave_out()?;
        shrinker.simplify()?;
        if shrinker.best.sequence == before || shrinker.left == 0 {
            return Ok(shrinker.best);
        }
    }
}

struct Shrinker<'r> {
    best: Disagreement,
    left: u32,
    run: &'r mut dyn FnMut(&Sequence) -> Result<Option<Disagreement>, DifferError>,
}

impl Shrinker<'_> {
    /// Takes `candidate` if its disagreement is of the same kind.
    fn attempt(&mut self, candidate: &Sequence) -> Result<bool, DifferError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(false) };
        self.left = left;
        match (self.run)(candidate)? {
            Some(found) if found.is_like(&self.best) => {
                self.best = found;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Leaves out halves, quarters, ... single operations; the last ones first.
    fn leave_out(&mut self) -> Result<(), DifferError> {
        let mut chunk = self.best.sequence.ops.len().div_ceil(2);
        while chunk > 0 {
            let mut end = self.best.sequence.ops.len();
            while end > 0 {
                let start = end.saturating_sub(chunk);
                let mut candidate = self.best.sequence.clone();
                candidate.ops.drain(start..end);
                let _ = self.attempt(&candidate)?;
                // It may have become shorter still.
                end = start.min(self.best.sequence.ops.len());
            }
            chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
        }
        Ok(())
    }

    fn simplify(&mut self) -> Result<(), DifferError> {
        let mut index = 0;
        while let Some(op) = self.best.sequence.ops.get(index).copied() {
            for simpler in simpler(op, &self.best.sequence) {
                let mut candidate = self.best.sequence.clone();
                if let Some(op) = candidate.ops.get_mut(index) {
                    *op = simpler;
                }
                if self.attempt(&candidate)? {
                    break;
                }
            }
            index += 1;
        }
        if let StreamTableShape::TwoLevel { log2, .. } = self.best.sequence.setup.streams {
            let mut candidate = self.best.sequence.clone();
            candidate.setup.streams = StreamTableShape::Linear { log2 };
            let _ = self.attempt(&candidate)?;
        }
        Ok(())
    }
}

/// Simpler operations, the simplest first.
fn simpler(op: Op, sequence: &Sequence) -> Vec<Op> {
    let page = |table| sequence.setup.shape(table).map_or(0, |shape| shape.granule.bytes());
    match op {
        Op::Attach { device, config, raw: true } => vec![Op::Attach { device, config, raw: false }],
        Op::Map { table, iova, size, to, writable } => {
            let (one, half) = (page(table), size / 2);
            let mut all = Vec::new();
            if size > one && one != 0 {
                all.push(Op::Map { table, iova, size: one, to, writable });
                if half % one == 0 {
                    all.push(Op::Map { table, iova, size: half, to, writable });
                }
            }
            if !writable {
                all.push(Op::Map { table, iova, size, to, writable: true });
            }
            all
        }
        Op::Unmap { table, iova, size, flush } => {
            let one = page(table);
            let mut all = Vec::new();
            if flush != Flush::WholeTag {
                all.push(Op::Unmap { table, iova, size, flush: Flush::WholeTag });
            }
            if size > one && one != 0 {
                all.push(Op::Unmap { table, iova, size: one, flush });
            }
            all
        }
        Op::Dma { device, iova } => {
            // The first device that is attached to anything may be able to do what this one does.
            let first = sequence.ops.iter().find_map(|op| match op {
                Op::Attach { device, .. } => Some(*device),
                _ => None,
            });
            let other = first.filter(|first| *first != device);
            let start = (iova & 0xfff != 0).then_some(iova & !0xfff);
            let others = other.into_iter().map(|device| Op::Dma { device, iova });
            others.chain(start.map(|iova| Op::Dma { device, iova })).collect()
        }
        _ => Vec::new(),
    }
}
