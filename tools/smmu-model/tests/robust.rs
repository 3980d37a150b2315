//! Nothing software writes may panic the model: random registers, structures, tables, commands and accesses.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
mod common;
use common::*;
use smmu_model::{Access, Profile, Width};

struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    /// Sparse, dense or full words, so that single fields take extreme values.
    fn word(&mut self) -> u64 {
        match self.next() % 4 {
            0 => self.next() & self.next() & self.next(),
            1 => self.next() | self.next(),
            2 => 0,
            _ => self.next(),
        }
    }
}

#[test]
fn random_configuration_never_panics() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut outcomes = [0u32; 2];
    for round in 0..4000 {
        let profile =
            [Profile::maximum(), Profile::minimum(), Profile::qemu(), Profile::mmu700_r1p1()][round % 4];
        let mut rig = stage1_rig(profile);
        map_s2_structures(&rig.mem);
        for at in [STRTAB + 64, CD, S1_ROOT, S1_ROOT + 0x1000, S1_ROOT + 0x2008, S2_ROOT, S2_ROOT + 0x1000] {
            if random.next() % 3 == 0 {
                for offset in [0, 8, 16, 24] {
                    // Half of the time valid structures with one random word mixed in.
                    let old = rig.mem.get(at + offset);
                    let new = random.word();
                    rig.mem.set(
                        at + offset,
                        if random.next() % 2 == 0 {
                            old ^ (new & random.next() & random.next())
                        } else {
                            old | new
                        },
                    );
                }
            }
        }
        for _ in 0..6 {
            rig.push([(random.word() & !0xff) | (random.next() % 0x50), random.word()]);
            let active = rig.r32(0x60);
            rig.w32(0x64, active);
            let a = Access {
                sid: [0, 1, 1, 1, 2][(random.next() % 5) as usize],
                ssid: (random.next() % 2 == 0).then(|| (random.word() & 0xf_ffff) as u32),
                iova: if random.next() % 2 == 0 { 0x1000 } else { random.word() },
                write: random.next() % 2 == 0,
                instruction: random.next() % 2 == 0,
                privileged: random.next() % 2 == 0,
            };
            outcomes[usize::from(rig.smmu.dma(&a) == smmu_model::Outcome::Passed { pa: 0x8000_0000 })] += 1;
        }
        for _ in 0..4 {
            let at = (random.next() % 0x2_0000) as u32 & if random.next() % 2 == 0 { 0x1_00fc } else { 0xff };
            rig.smmu.write(at, if random.next() % 2 == 0 { Width::W32 } else { Width::W64 }, random.word());
            rig.smmu.dma(&access(random.word() as u32, random.word()));
        }
        // All registers random, then enabled.
        let mut rig = Rig::cold(profile);
        for at in [0x28, 0x2c, 0x88, 0x98, 0x9c, 0x100a8, 0x100ac] {
            rig.w32(at, random.word());
        }
        for at in [0x80, 0x90, 0xa0, 0xb0, 0x68] {
            rig.w64(at, random.word());
        }
        rig.w32(0x50, 7);
        rig.w32(0x20, 0xf);
        for _ in 0..4 {
            rig.smmu.dma(&access(random.word() as u32, random.word()));
            rig.w32(0x98, random.word());
        }
    }
    assert!(outcomes.iter().all(|n| *n > 500), "{outcomes:?}: both kinds must occur");
}

#[test]
fn random_enhanced_queues_never_panic() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let (mut taken, mut refused) = (0, 0);
    for round in 0..2000_u32 {
        let mut profile = Profile::ecmdq();
        if round % 4 == 3 {
            // Also numbers of pages and queues that are reserved.
            profile.idr[6] = random.word() as u32;
        }
        let mut rig = stage1_rig(profile);
        for index in 0..64 {
            let operands = if random.next() % 4 == 0 { random.word() & !0xff } else { 0 };
            let opcode = [1, 3, 0x10, 0x30, 0x46, random.next() % 0x50][(random.next() % 6) as usize];
            rig.mem.set(0x26_0000 + index * 16, operands | opcode);
        }
        for _ in 0..40 {
            let page = random.next() % 3;
            let number = random.next() % 4;
            let register = [0, 0, 4, 8, 8, 8, 12, 16][(random.next() % 8) as usize];
            let at = (0x8_0000 + page * 0x1_0000 + number * 0x4000 + register) as u32;
            let value = match register {
                0 if random.next() % 2 == 0 => 0x26_0000 | (random.next() % 6),
                _ => random.word(),
            };
            rig.smmu.write(at, if register == 0 { Width::W64 } else { Width::W32 }, value);
            let errors = rig.r32(0x60);
            rig.w32(0x64, errors);
            rig.smmu.dma(&access(1, 0x1000));
        }
        for entry in rig.smmu.trace() {
            if let smmu_model::Trace::Command { queue, error, .. } = entry {
                assert!(queue >= 0x8_0000);
                *if error.is_some() { &mut refused } else { &mut taken } += 1;
            }
        }
    }
    assert!(taken > 200 && refused > 200, "{taken} {refused}: both kinds must occur");
}
