//! Everything that can go wrong, each as one line that says what to do about it.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::find::{MINIMUM, Version};

/// Why QEMU could not be started, or stopped being usable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QemuError {
    /// There is no QEMU.
    Missing {
        /// The path, or the program name and where it was looked for.
        looked_for: String,
    },
    /// QEMU is there, but too old to have a nested SMMUv3.
    TooOld {
        /// The QEMU found.
        path: PathBuf,
        /// Its version.
        version: Version,
        /// The oldest version that will do.
        needed: Version,
    },
    /// The program ran, but did not say that it is QEMU.
    NotQemu {
        /// The program.
        path: PathBuf,
        /// The beginning of what it printed for `--version`.
        output: String,
    },
    /// The program could not be started.
    Spawn {
        /// The program.
        path: PathBuf,
        /// The operating system's reason.
        reason: String,
    },
    /// The [`crate::Config`] cannot be met.
    BadConfig {
        /// Which part, and what is allowed.
        reason: String,
    },
    /// Guest RAM (or another temporary file) could not be made or mapped.
    Ram {
        /// The operating system's reason.
        reason: String,
    },
    /// QEMU ended, or closed its end of the connection.
    Died {
        /// How it ended; `None` if it had to be killed or could not be waited for.
        status: Option<ExitStatus>,
        /// Its "Bail out!" line, if it hit an assertion, and then the last lines of its stderr.
        stderr: Vec<String>,
    },
    /// QEMU did not answer in time. It has been killed.
    Timeout {
        /// The command that it did not answer.
        command: String,
        /// The time limit.
        after: Duration,
    },
    /// QEMU answered a command with something other than `OK`.
    Refused {
        /// The command.
        command: String,
        /// The reply.
        reply: String,
    },
    /// The connection failed in some other way.
    Io {
        /// The operating system's reason.
        reason: String,
    },
    /// The machine is not the one asked for.
    WrongMachine {
        /// What was looked at.
        what: String,
        /// What it read as.
        found: u64,
        /// What it should have read as.
        expected: u64,
    },
    /// A device index that [`crate::Qemu::devices`] does not have.
    NoSuchDevice {
        /// The index.
        device: usize,
        /// How many devices there are.
        count: usize,
    },
}

impl QemuError {
    /// Whether this means that the computer has no suitable QEMU (as opposed to one that went wrong).
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::TooOld { .. })
    }
}

impl fmt::Display for QemuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { looked_for } => write!(
                f,
                "no QEMU (looked for {looked_for}): run tools/smmu-qemu/install-qemu.sh or install \
                 qemu-system-arm >= {MINIMUM}, or set SMMU_QEMU to the path of qemu-system-aarch64"
            ),
            Self::TooOld { path, version, needed } => write!(
                f,
                "{} is QEMU {version}, but {needed} or newer is needed: run tools/smmu-qemu/install-qemu.sh, \
                 or set SMMU_QEMU to a newer one",
                path.display()
            ),
            Self::NotQemu { path, output } => write!(
                f,
                "{} --version printed {output:?}, which is not QEMU's: set SMMU_QEMU to qemu-system-aarch64",
                path.display()
            ),
            Self::Spawn { path, reason } => write!(f, "cannot run {}: {reason}", path.display()),
            Self::BadConfig { reason } => write!(f, "bad QEMU configuration: {reason}"),
            Self::Ram { reason } => {
                write!(f, "cannot make guest RAM in {}: {reason} (TMPDIR chooses another place)", temp_dir())
            }
            Self::Died { status, stderr } => {
                match status {
                    Some(status) => write!(f, "QEMU died ({status})")?,
                    None => write!(f, "QEMU closed the connection and was killed")?,
                }
                if stderr.is_empty() {
                    write!(f, ", saying nothing")
                } else {
                    write!(f, ": {}", stderr.join(" | "))
                }
            }
            Self::Timeout { command, after } => {
                write!(f, "QEMU did not answer `{command}` within {after:?} and was killed")
            }
            Self::Refused { command, reply } => write!(f, "QEMU answered `{command}` with {reply:?}"),
            Self::Io { reason } => write!(f, "connection to QEMU failed: {reason}"),
            Self::WrongMachine { what, found, expected } => {
                write!(f, "{what} reads {found:#x}, expected {expected:#x}: QEMU built another machine")
            }
            Self::NoSuchDevice { device, count } => write!(f, "no DMA device {device}: there are {count}"),
        }
    }
}

impl std::error::Error for QemuError {}

fn temp_dir() -> String {
    std::env::temp_dir().display().to_string()
}
