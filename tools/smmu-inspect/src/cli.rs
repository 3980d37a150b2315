//! The command line.

use crate::differ;
use clap::{Args, Parser, Subcommand, ValueEnum};
use smmu_inspect::eval;
use smmu_inspect::report::Report;
use smmu_inspect::{decode, demo};
use smmu_machine::{Machine, ModelMachine, QemuMachine};
use smmu_model::{Adversity, Atomicity, Profile};
use smmu_regs::StreamId;
use smmu_regs::caps::{ERRATA, FirmwareModel, Hints, IdRegisters, Narrow};
use smmu_regs::registers::{Aidr, Idr0, Idr1, Idr2, Idr3, Idr5, Idr6, Iidr};
use smmu_regs::vmsa::HardwareUpdate;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Looks at SMMUv3s and their structures.
#[derive(Debug, Parser)]
#[command(name = "smmu-inspect", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Brings an SMMUv3 up, isolates devices, and checks every step.
    Demo(DemoArgs),
    /// Computes the outputs of reference vectors with the library.
    Eval(EvalArgs),
    /// Says what an SMMU with given ID registers can do.
    Probe(ProbeArgs),
    /// Lists the errata that the library knows.
    Errata,
    /// Makes the words of a command, event, STE or CD readable.
    Decode(DecodeArgs),
    /// Runs random sequences of driver operations on the model and on QEMU, and compares them.
    Differ(differ::Args),
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// What to run on.
    #[arg(long, value_enum, default_value_t = Kind::Model)]
    machine: Kind,
    /// Which SMMU the model is.
    #[arg(long, value_enum, default_value_t = ModelProfile::Maximum)]
    profile: ModelProfile,
    /// How the model behaves.
    #[arg(long, value_enum, default_value_t = Setting::Plain)]
    setting: Setting,
    /// Prints JSON lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The software model, in this process.
    Model,
    /// QEMU's SMMUv3.
    Qemu,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModelProfile {
    /// Everything the model can do.
    Maximum,
    /// What QEMU's SMMUv3 says it can do.
    Qemu,
    /// Everything, but its accesses do not snoop the CPU's caches.
    NonCoherent,
    /// An Arm MMU-600.
    Mmu600,
    /// An Arm MMU-700 r1p1.
    Mmu700,
    /// An Arm MMU-S3.
    MmuS3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Setting {
    /// As one real SMMU might.
    Plain,
    /// As badly as the architecture allows; each DMA must have one permitted outcome, the right one.
    Adversarial,
    /// The same, but it reads 128 bits at once, not 64.
    #[value(name = "adversarial-128")]
    Adversarial128,
}

#[derive(Debug, Args)]
struct EvalArgs {
    /// A file of JSON lines, or - for standard input.
    file: PathBuf,
    /// The kind of the records, where the file does not say.
    #[arg(long)]
    kind: Option<String>,
}

#[derive(Debug, Args)]
struct ProbeArgs {
    /// SMMU_IDR0.
    #[arg(long, value_parser = register)]
    idr0: u32,
    /// SMMU_IDR1.
    #[arg(long, value_parser = register)]
    idr1: u32,
    /// SMMU_IDR2.
    #[arg(long, value_parser = register, default_value = "0")]
    idr2: u32,
    /// SMMU_IDR3.
    #[arg(long, value_parser = register, default_value = "0")]
    idr3: u32,
    /// SMMU_IDR5.
    #[arg(long, value_parser = register)]
    idr5: u32,
    /// SMMU_IDR6.
    #[arg(long, value_parser = register, default_value = "0")]
    idr6: u32,
    /// SMMU_IIDR.
    #[arg(long, value_parser = register, default_value = "0")]
    iidr: u32,
    /// SMMU_AIDR.
    #[arg(long, value_parser = register, default_value = "0")]
    aidr: u32,
    /// Refuses reserved values and impossible combinations.
    #[arg(long)]
    strict: bool,
    /// The model that firmware names: some errata are matched by it alone.
    #[arg(long, value_enum, default_value_t = Model::Generic)]
    model: Model,
    /// What firmware says about coherent access, in place of IDR0.COHACC.
    #[arg(long)]
    coherent: Option<bool>,
    /// What firmware says about updates of descriptors, in place of IDR0.HTTU, as the field has it: 0 to 3.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=3))]
    httu: Option<u8>,
    /// Prints instead the ID registers for a guest that owns stage 1 of nested translation.
    #[arg(long)]
    guest: bool,
    /// Prints instead the ID registers for a host whose SMMU belongs to a hypervisor at EL2.
    #[arg(long, conflicts_with = "guest")]
    host_under_el2: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Model {
    /// Nothing special.
    Generic,
    /// HiSilicon Hi161x: IORT model 1.
    Hi161x,
    /// Cavium ThunderX2 CN99xx: IORT model 2.
    Cn99xx,
    /// NVIDIA Tegra264.
    Tegra264,
}

impl ProbeArgs {
    fn hints(&self) -> Hints {
        Hints {
            coherent: self.coherent,
            httu: self.httu.map(|httu| match httu {
                0 => HardwareUpdate::None,
                1 => HardwareUpdate::AccessFlag,
                2 => HardwareUpdate::Dirty,
                _ => HardwareUpdate::TableAccessFlag,
            }),
            model: match self.model {
                Model::Generic => FirmwareModel::Generic,
                Model::Hi161x => FirmwareModel::HisiliconHi161x,
                Model::Cn99xx => FirmwareModel::CaviumCn99xx,
                Model::Tegra264 => FirmwareModel::Tegra264,
            },
            ..Hints::default()
        }
    }
}

fn register(text: &str) -> Result<u32, String> {
    let value = decode::number(text).map_err(|error| error.to_string())?;
    u32::try_from(value).map_err(|_| format!("{text} does not fit a 32-bit register"))
}

#[derive(Debug, Args)]
struct DecodeArgs {
    /// What the words are.
    #[arg(value_enum)]
    kind: Structure,
    /// The words, 64 bits each, lowest first.
    #[arg(required = true)]
    words: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Structure {
    /// 2 words.
    Command,
    /// 4 words.
    Event,
    /// 8 words.
    Ste,
    /// 8 words.
    Cd,
}

/// StreamIDs of the model's devices: those that QEMU's have.
const STREAMS: [u32; 4] = [0x8, 0x10, 0x18, 0x100];

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = error.use_stderr();
            let _ = error.print();
            return ExitCode::from(if wrong { 2 } else { 0 });
        }
    };
    let done = match cli.command {
        Command::Demo(args) => run_demo(&args),
        Command::Eval(args) => run_eval(&args),
        Command::Probe(args) => run_probe(&args),
        Command::Errata => run_errata(),
        Command::Differ(args) => differ::run(&args),
        Command::Decode(args) => return run_decode(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("smmu-inspect: {error}");
            ExitCode::from(1)
        }
    }
}

pub(crate) type Failure = Box<dyn std::error::Error>;

fn run_demo(args: &DemoArgs) -> Result<bool, Failure> {
    let machine: Box<dyn Machine> = match args.machine {
        Kind::Model => {
            let profile = match args.profile {
                ModelProfile::Maximum => Profile::maximum(),
                ModelProfile::NonCoherent => non_coherent(),
                ModelProfile::Qemu => Profile::qemu(),
                ModelProfile::Mmu600 => Profile::mmu600(),
                ModelProfile::Mmu700 => Profile::mmu700_r1p1(),
                ModelProfile::MmuS3 => Profile::mmu_s3(),
            };
            let streams = STREAMS.map(StreamId::new);
            let adversity = Adversity::new(STREAMS.map(|stream| (stream, None)));
            Box::new(match args.setting {
                Setting::Plain => ModelMachine::new(profile, &streams),
                Setting::Adversarial => ModelMachine::adversarial(profile, &streams, adversity),
                Setting::Adversarial128 => {
                    let adversity = Adversity { atomicity: Atomicity::Bits128, ..adversity };
                    ModelMachine::adversarial(profile, &streams, adversity)
                }
            })
        }
        Kind::Qemu => {
            if io::stderr().is_terminal() {
                eprintln!("starting QEMU ...");
            }
            Box::new(QemuMachine::start(&smmu_qemu::Config::default())?)
        }
    };
    let stdout = io::stdout();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut out = BufWriter::new(stdout.lock());
    let mut report = Report::new(&mut out, args.json, colour);
    let outcome = demo::run(machine.as_ref(), &mut report);
    let passed = report.finish(&[("machine", machine.name())])?;
    out.flush()?;
    outcome?;
    Ok(passed)
}

/// The largest SMMU, without `IDR0.COHACC`.
fn non_coherent() -> Profile {
    let mut profile = Profile::maximum();
    let [idr0, ..] = &mut profile.idr;
    *idr0 &= !(1 << 4);
    Profile { name: "maximum, not coherent", ..profile }
}

fn run_eval(args: &EvalArgs) -> Result<bool, Failure> {
    let name = args.file.display().to_string();
    let stdout = io::stdout();
    let mut out = BufWriter::new(stdout.lock());
    let kind = args.kind.as_deref();
    let outcome = if name == "-" {
        eval::run(&mut io::stdin().lock(), "standard input", kind, &mut out)
    } else {
        let file = File::open(&args.file).map_err(|error| format!("{name}: {error}"))?;
        eval::run(&mut BufReader::new(file), &name, kind, &mut out)
    };
    out.flush()?;
    outcome?;
    Ok(true)
}

fn run_probe(args: &ProbeArgs) -> Result<bool, Failure> {
    let ids = IdRegisters {
        idr0: Idr0::from_bits(args.idr0),
        idr1: Idr1::from_bits(args.idr1),
        idr2: Idr2::from_bits(args.idr2),
        idr3: Idr3::from_bits(args.idr3),
        idr5: Idr5::from_bits(args.idr5),
        idr6: Idr6::from_bits(args.idr6),
        iidr: Iidr::from_bits(args.iidr),
        aidr: Aidr::from_bits(args.aidr),
        ..IdRegisters::default()
    };
    let hints = args.hints();
    let said = match (args.guest, args.host_under_el2) {
        (true, _) => decode::shown(&ids, &hints, args.strict, &Narrow::NESTED_GUEST)?,
        (_, true) => decode::shown(&ids, &hints, args.strict, &Narrow::HOST_UNDER_EL2)?,
        _ => decode::probe(&ids, &hints, args.strict)?,
    };
    println!("{said}");
    Ok(true)
}

fn run_errata() -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    for erratum in ERRATA {
        writeln!(out, "{erratum}\n  matches {}; known from {}", decode::matched(erratum), erratum.source)?;
    }
    Ok(true)
}

/// Words that are none are a wrong command line.
fn run_decode(args: &DecodeArgs) -> ExitCode {
    let kind = match args.kind {
        Structure::Command => decode::Kind::Command,
        Structure::Event => decode::Kind::Event,
        Structure::Ste => decode::Kind::Ste,
        Structure::Cd => decode::Kind::Cd,
    };
    match decode::decode(kind, &args.words) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("smmu-inspect: {error}");
            ExitCode::from(2)
        }
    }
}
