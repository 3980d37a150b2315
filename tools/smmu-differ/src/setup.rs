//! Random setups, within what QEMU can judge.

use crate::op::{Setup, Shape, Stage1Spec, Stage2Spec};
use crate::random::Random;
use io_pgtable_lpae::{Concatenation, Geometry};
use smmu_regs::AddressSize;
use smmu_regs::vmsa::Granule;
use smmu_ste::table::StreamTableShape;

/// `log2` of the streams: all devices of the default configurations.
const STREAMS: u8 = 9;
/// VMIDs of the stage-2 spaces; those of plain stage-1 spaces are these or 0, which invalidations must tell apart.
const VMIDS: [u16; 2] = [11, 12];

fn granule(random: &mut Random) -> Granule {
    random.pick(&Granule::ALL).copied().unwrap_or(Granule::Size4K)
}

/// A stage-1 shape: 25 to 48 bits.
fn shape1(random: &mut Random) -> Shape {
    Shape { granule: granule(random), bits: random.between(25, 48) as u8 }
}

/// A stage-2 shape of `least` to 44 bits, the size of QEMU's output addresses, with a single start table: QEMU walks
/// concatenated ones wrongly (facts/qemu.md 6, bug 1).
fn shape2(random: &mut Random, least: u64) -> Shape {
    loop {
        let shape = Shape { granule: granule(random), bits: random.between(least, 44) as u8 };
        let (bits, output) = (u32::from(shape.bits), AddressSize::Bits44);
        let geometry = Geometry::stage2(shape.granule, bits, output, Concatenation::WhenRequired);
        if geometry.is_ok_and(|geometry| geometry.concatenated() == 1) {
            return shape;
        }
    }
}

/// A setup: two plain stage-1 spaces, two guests on one host, and a stage-2 space that is no host.
pub(crate) fn setup(random: &mut Random, two_level: bool) -> Setup {
    let split = if random.chance(50) { 6 } else { 8 };
    let streams = if two_level {
        StreamTableShape::TwoLevel { log2: STREAMS, split }
    } else {
        StreamTableShape::Linear { log2: STREAMS }
    };
    // A host's input must hold all RAM.
    let hosts = [(31, true), (25, false)].into_iter().zip(VMIDS);
    let stage2 = hosts
        .map(|((least, host), vmid)| Stage2Spec {
            shape: shape2(random, least),
            vmid,
            host,
            detach: random.chance(50),
        })
        .collect();
    let stage1 = (1..=4)
        .map(|asid| {
            let host = (asid > 2).then_some(0);
            // Stage 1 alone must not share a VMID with both stages (IHI 0070 3.17).
            let vmid = if host.is_some() { 11 } else { random.pick(&[0, 12]).copied().unwrap_or(0) };
            let (low, high) = (random.chance(80), random.chance(40));
            Stage1Spec {
                low: (low || !high).then(|| shape1(random)),
                high: high.then(|| shape1(random)),
                asid,
                vmid,
                host,
                detach: random.chance(50),
            }
        })
        .collect();
    Setup { streams, stage1, stage2 }
}
