//! How many DMAs a second the model judges, plain and adversarial. `--test` only tries it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../tests/support/mod.rs"]
mod support;

use smmu_machine::Machine as _;
use smmu_model::{Atomicity, Profile};
use std::time::{Duration, Instant};
use support::{Bench, PAGE, Place, Seen, Setting, Setup, Space1, dma, on_model_as, streams};

const IOVA: u64 = 0x1234_5000;

fn main() {
    let try_only = std::env::args().any(|argument| argument == "--test");
    let least = Duration::from_millis(if try_only { 1 } else { 2000 });
    for setting in
        [Setting::Plain, Setting::Adversarial(Atomicity::Bits64), Setting::Adversarial(Atomicity::Bits128)]
    {
        on_model_as(setting, Profile::maximum(), |machine| {
            let mut bench = Bench::new(machine, Setup::default());
            let target = bench.p.allocate(PAGE, PAGE).unwrap();
            let mut space = Space1::new(&bench.p, &bench.caps, 7);
            space.map(&bench.p, IOVA, PAGE, target.base());
            bench.attach(streams()[0], &space.ste());
            let places = [Place { name: "there", at: target.base() }];
            let (start, mut checks) = (Instant::now(), 0_u32);
            while start.elapsed() < least {
                for _ in 0..100 {
                    assert_eq!(dma(machine, 0, IOVA, &places), Seen::At("there"));
                }
                checks += 100;
            }
            let rate = f64::from(checks) / start.elapsed().as_secs_f64();
            println!("{}: {rate:.0} DMAs judged a second, each a read and a write", machine.name());
            bench.attach(streams()[0], &smmu_ste::SteConfig::Abort);
            space.destroy(&bench.p, &mut bench.queue);
            bench.p.free(target);
            bench.shut_down();
        });
    }
}
