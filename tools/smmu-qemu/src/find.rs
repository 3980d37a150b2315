//! Finds a QEMU that is new enough. The answer for a path is remembered: asking costs a process each time.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::QemuError;

/// The first version whose SMMUv3 can do nested translation.
pub(crate) const MINIMUM: Version = Version { major: 9, minor: 1 };
const PROGRAM: &str = "qemu-system-aarch64";
const VARIABLE: &str = "SMMU_QEMU";
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
const PROBE_BYTES: usize = 4096;

static KNOWN: Mutex<Vec<(PathBuf, Version)>> = Mutex::new(Vec::new());

/// A QEMU version; the third number does not matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A QEMU that is new enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Which version it is.
    pub version: Version,
}

/// The QEMU that `SMMU_QEMU` names, or else the first `qemu-system-aarch64` in `PATH`.
pub(crate) fn find() -> Result<Found, QemuError> {
    match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        Some(path) => inspect(Path::new(&path)),
        None => inspect(Path::new(PROGRAM)),
    }
}

/// Checks that `program` (a path, or a name to look for in `PATH`) is a QEMU that is new enough.
pub(crate) fn inspect(program: &Path) -> Result<Found, QemuError> {
    let path = locate(program)?;
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let remembered = known().iter().find(|entry| entry.0 == path).map(|entry| entry.1);
    let version = if let Some(version) = remembered {
        version
    } else {
        let version = ask(&path)?;
        known().push((path.clone(), version));
        version
    };
    if version < MINIMUM {
        return Err(QemuError::TooOld { path, version, needed: MINIMUM });
    }
    Ok(Found { path, version })
}

fn locate(program: &Path) -> Result<PathBuf, QemuError> {
    if program.components().count() > 1 {
        return if program.is_file() {
            Ok(program.to_path_buf())
        } else {
            Err(QemuError::Missing { looked_for: program.display().to_string() })
        };
    }
    let directories = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&directories)
        .map(|directory| directory.join(program))
        .find(|path| path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
        .ok_or_else(|| QemuError::Missing { looked_for: format!("{} in PATH", program.display()) })
}

/// Runs `path --version`, for at most [`PROBE_TIMEOUT`].
fn ask(path: &Path) -> Result<Version, QemuError> {
    let spawn = |error: std::io::Error| QemuError::Spawn { path: path.into(), reason: error.to_string() };
    let (mut ours, theirs) = UnixStream::pair().map_err(spawn)?;
    let mut child = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => QemuError::Missing { looked_for: path.display().to_string() },
            _ => spawn(error),
        })?;
    let output = read_some(&mut ours);
    // Whatever it is, it has said enough. An error here means that it has ended already.
    let _ = child.kill();
    let _ = child.wait();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            QemuError::Timeout { command: format!("{} --version", path.display()), after: PROBE_TIMEOUT }
        }
        _ => spawn(error),
    })?;
    parse(&output)
        .ok_or_else(|| QemuError::NotQemu { path: path.into(), output: output.chars().take(80).collect() })
}

/// Reads up to the first newline, the end, [`PROBE_BYTES`] or [`PROBE_TIMEOUT`].
fn read_some(from: &mut UnixStream) -> std::io::Result<String> {
    let deadline = Instant::now() + PROBE_TIMEOUT;
    let mut text = Vec::new();
    let mut byte = [0];
    while text.len() < PROBE_BYTES && !text.ends_with(b"\n") {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        from.set_read_timeout(Some(left))?;
        match from.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => text.extend_from_slice(&byte),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A program that ends with unread input resets the connection: that is an end as well.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&text).trim().to_string())
}

/// "QEMU emulator version 10.0.2 (Debian ...)" -> 10.0
fn parse(output: &str) -> Option<Version> {
    let (_, numbers) = output.strip_prefix("QEMU ")?.split_once("version ")?;
    let mut numbers = numbers.split(|c: char| !c.is_ascii_digit());
    Some(Version { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::{Version, parse};

    #[test]
    fn versions() {
        let debian = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)";
        assert_eq!(parse(debian), Some(Version { major: 10, minor: 0 }));
        assert_eq!(parse("QEMU emulator version 9.1.50"), Some(Version { major: 9, minor: 1 }));
        assert_eq!(parse("bash, version 5.2"), None);
        assert_eq!(parse("QEMU emulator version x.y"), None);
        assert_eq!(parse(""), None);
        assert!(Version { major: 10, minor: 0 } > Version { major: 9, minor: 1 });
    }
}
