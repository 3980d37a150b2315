//! What do the crates cost? Each module asks a question that a driver's author asks; at the end comes the table of answers.
//!
//! `cargo bench -p smmu-benches` measures everything, `... -- unmap` what has "unmap" in its name, and `... -- --test` runs
//! each work once, with its checks.

mod encode;
mod invalidate;
mod map_unmap;
mod range_invalidation;
mod shared_queue;
mod update;

use smmu_benches::{criterion, ratios};
use std::env;
use std::error::Error;
use std::time::SystemTime;

fn main() -> Result<(), Box<dyn Error>> {
    let started = SystemTime::now();
    // The program is in `release/deps` of the target directory.
    let program = env::current_exe()?;
    let home = program.ancestors().nth(3).ok_or("there is no target directory")?.join("criterion");
    let mut c = criterion(&home);
    map_unmap::run(&mut c);
    encode::run(&mut c);
    range_invalidation::run(&mut c);
    update::run(&mut c);
    invalidate::run(&mut c);
    shared_queue::run(&mut c);
    c.final_summary();
    let measured = env::args().any(|arg| arg == "--bench") && !env::args().any(|arg| arg == "--test");
    if measured { ratios::print(&home, started) } else { Ok(()) }
}
