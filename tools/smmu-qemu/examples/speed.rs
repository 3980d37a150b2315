//! Measures start-up time, register reads and DMA rate: `cargo run --release --example speed`.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use smmu_qemu::{Config, Qemu, QemuError, Width};

const STARTS: u32 = 10;
const TIME: Duration = Duration::from_secs(1);

fn main() -> Result<(), QemuError> {
    println!("{:?}", Qemu::find()?);
    let started = Instant::now();
    for _ in 0..STARTS {
        drop(Qemu::start(&Config::default())?);
    }
    println!("start and end: {:?} each", started.elapsed() / STARTS);
    let started = Instant::now();
    let qemu = Qemu::start(&Config::default())?;
    println!("start: {:?}", started.elapsed());

    let rate = |name: &str, mut action: Box<dyn FnMut() -> Result<(), QemuError> + '_>| {
        let (started, mut count) = (Instant::now(), 0u32);
        while started.elapsed() < TIME {
            action()?;
            count += 1;
        }
        println!("{name}: {:.0} per second", f64::from(count) / started.elapsed().as_secs_f64());
        Ok::<(), QemuError>(())
    };
    rate(
        "register reads",
        Box::new(|| {
            qemu.smmu_read(0, Width::W32);
            Ok(())
        }),
    )?;
    let Some(word) = qemu.ram().first() else { return Ok(()) };
    let mut seed = 0u32;
    rate(
        "DMA checks",
        Box::new(|| {
            seed += 1;
            word.store(u64::from(seed), SeqCst);
            qemu.dma_invert(0, qemu.ram_base())?;
            assert_eq!(word.load(SeqCst), u64::from(!seed), "DMA in bypass");
            Ok(())
        }),
    )?;
    assert!(qemu.complaints().is_empty(), "complaints");
    Ok(())
}
