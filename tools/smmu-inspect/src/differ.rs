//! The subcommand `differ`: the model against QEMU, as `smmu-differ` does it.

use crate::cli::Failure;
use serde_json::{Value, json};
use smmu_differ::{Campaign, Counts, Found, Limits, Report, excuse};
use smmu_inspect::decode;
use smmu_qemu::Qemu;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// From what the sequences are made.
    #[arg(long, value_parser = decode::number, default_value = "1")]
    seed: u64,
    /// Stops after so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// Stops after so many sequences; 500 if no minutes are given.
    #[arg(long)]
    sequences: Option<u64>,
    /// Goes on after a disagreement, and prints the first one of each kind.
    #[arg(long)]
    all: bool,
    /// Runs the one sequence of the seed that a disagreement names.
    #[arg(long, conflicts_with_all = ["minutes", "sequences", "all"])]
    one: bool,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs it. True if the machines agree.
pub(crate) fn run(args: &Args) -> Result<bool, Failure> {
    // Not after the first sequence: a comparison with nobody is no comparison.
    let program = Qemu::find()?;
    let mut campaign = Campaign::with_qemu(None);
    let report = if args.one {
        campaign.run_sequence(&smmu_differ::sequence(args.seed))?
    } else {
        let sequences = args.sequences.unwrap_or(if args.minutes.is_some() { u64::MAX } else { 500 });
        let minutes = |minutes: u64| Duration::from_secs(minutes.saturating_mul(60));
        let limits = Limits { sequences, time: args.minutes.map_or(Duration::MAX, minutes), go_on: args.all };
        let progress = Progress::new();
        let report = campaign.run(args.seed, &limits, |counts| progress.show(counts));
        progress.end();
        report?
    };
    let agreed = report.found.is_empty();
    let name = format!("QEMU {} ({})", program.version, program.path.display());
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", as_json(args.seed, &name, &report))?;
        return Ok(agreed);
    }
    for Found { first, times } in &report.found {
        writeln!(out, "{first}\n  {times} sequences have one like it")?;
        writeln!(out, "  again: smmu-inspect differ --one --seed {:#x}\n", first.sequence.seed)?;
    }
    writeln!(out, "the model against {name}, seed {:#x}", args.seed)?;
    writeln!(out, "{}", report.counts)?;
    let verdict = if agreed { "they agree" } else { "they DISAGREE" };
    writeln!(out, "{verdict}")?;
    Ok(agreed)
}

fn as_json(seed: u64, machine: &str, report: &Report) -> Value {
    let Counts { sequences, operations, exact, member, excused, skipped, started, ref excuses } =
        report.counts;
    let excuses = excuses.iter().map(|(name, count)| {
        let known = excuse::QEMU.iter().find(|excuse| excuse.name == *name);
        json!({ "name": name, "citation": known.map(|excuse| excuse.citation), "count": count })
    });
    let found = report.found.iter().map(|Found { first, times }| {
        json!({ "matter": first.matter.to_string(), "seed": first.sequence.seed, "sequences": times,
            "text": first.to_string() })
    });
    json!({
        "machine": machine, "seed": seed, "sequences": sequences, "operations": operations, "exact": exact,
        "member": member, "excused": excused, "skipped": skipped, "machines_started": started,
        "excuses": excuses.collect::<Vec<_>>(), "disagreements": found.collect::<Vec<_>>(),
        "agree": report.found.is_empty(),
    })
}

/// A line on a terminal that says how far it is.
struct Progress {
    begin: Instant,
    wanted: bool,
}

impl Progress {
    fn new() -> Self {
        Self { begin: Instant::now(), wanted: io::stderr().is_terminal() }
    }

    fn show(&self, counts: &Counts) {
        if self.wanted && counts.sequences % 10 == 0 {
            let seconds = self.begin.elapsed().as_secs();
            eprint!("\r{seconds} s: {} sequences, {} DMAs judged", counts.sequences, counts.checks());
        }
    }

    fn end(&self) {
        if self.wanted {
            eprint!("\r\x1b[K");
        }
    }
}
