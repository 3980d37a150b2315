//! What QEMU writes to stderr, and which of it counts against the driver.
//!
//! QEMU's stderr is a file without a name rather than a pipe. QEMU can thus never block on a full pipe, and
//! whatever it logged while it carried out a command can be read as soon as the command's reply is here: with
//! a pipe and a thread there would be a race between the two.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::Stdio;

const CHUNK: usize = 64 << 10;
/// A line longer than this is cut; QEMU's own are far shorter.
const LONGEST: usize = 4096;
const LAST_LINES: usize = 5;

/// QEMU's stderr so far.
#[derive(Debug)]
pub(crate) struct Stderr {
    file: File,
    /// Bytes read, and among them the beginning of a line that is not complete yet.
    read: u64,
    partial: Vec<u8>,
    last: Vec<String>,
    complaints: Vec<String>,
}

impl Stderr {
    /// An empty log, in the temporary directory but without a name there.
    pub(crate) fn new() -> io::Result<Self> {
        let file = tempfile::tempfile()?;
        Ok(Self { file, read: 0, partial: Vec::new(), last: Vec::new(), complaints: Vec::new() })
    }

    /// The end that QEMU writes to.
    pub(crate) fn writer(&self) -> io::Result<Stdio> {
        self.file.try_clone().map(Stdio::from)
    }

    /// The last few lines, the unfinished one included.
    pub(crate) fn last_lines(&mut self) -> Vec<String> {
        self.catch_up();
        let mut lines = self.last.clone();
        let rest = String::from_utf8_lossy(&self.partial).trim().to_string();
        if !rest.is_empty() {
            lines.push(rest);
        }
        lines
    }

    /// The different lines so far that mean a driver mistake, in order of first appearance.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.catch_up();
        self.complaints.clone()
    }

    /// Reads what is new. `read_at` leaves the file offset, which QEMU shares, alone.
    fn catch_up(&mut self) {
        let mut chunk = vec![0; CHUNK];
        loop {
            match self.file.read_at(&mut chunk, self.read) {
                Ok(0) => break,
                Ok(count) => {
                    self.read += count as u64;
                    for byte in chunk.iter().take(count) {
                        self.take(*byte);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    note(&mut self.complaints, format!("cannot read QEMU's stderr: {error}"));
                    break;
                }
            }
        }
    }

    fn take(&mut self, byte: u8) {
        if byte != b'\n' {
            if self.partial.len() < LONGEST {
                self.partial.push(byte);
            }
            return;
        }
        let line = String::from_utf8_lossy(&self.partial).trim().to_string();
        self.partial.clear();
        // "**" is what GLib puts before a failed assertion.
        if line.is_empty() || line == "**" {
            return;
        }
        if is_complaint(&line) {
            note(&mut self.complaints, line.clone());
        }
        if self.last.len() == LAST_LINES {
            self.last.remove(0);
        }
        self.last.push(line);
    }
}

/// Adds a line that is not there yet. (A polling loop may repeat one mistake a million times.)
pub(crate) fn note(lines: &mut Vec<String>, line: String) {
    if !lines.contains(&line) {
        lines.push(line);
    }
}

/// Whether QEMU logged this because the driver accessed the SMMU's registers wrongly: an unknown offset, a
/// read-only register, a 64-bit access to a 32-bit register, a width that the SMMU does not have.
///
/// Not counted: refused STEs, CDs and commands, which a test may well provoke and sees as events and errors.
fn is_complaint(line: &str) -> bool {
    let unexpected = line.contains("Unexpected ") || line.contains("unhandled ");
    let smmu_access = line.starts_with("smmu") && unexpected && line.contains("-bit access");
    let invalid = line.starts_with("Invalid read at") || line.starts_with("Invalid write at");
    smmu_access || (invalid && line.contains("smmuv3"))
}

#[cfg(test)]
mod tests {
    use super::is_complaint;

    #[test]
    fn complaints_as_qemu_10_words_them() {
        for line in [
            "smmu_readll Unexpected 64-bit access to 0x98 (RAZ)",
            "smmu_writell Unexpected 64-bit access to 0x98 (WI)",
            "smmu_readl unhandled 32-bit access at 0x300 (RAZ)",
            "smmu_writel Unexpected 32-bit access to 0x0 (WI)",
            "Invalid read at addr 0x0, size 2, region 'arm-smmuv3', reason: invalid size (min:4 max:8)",
        ] {
            assert!(is_complaint(line), "{line}");
        }
        for line in [
            "Invalid read at addr 0x9070000, size 4, region '(null)', reason: rejected",
            "SMMUv3 does not support S1CDMAX > 0",
            "Illegal command type: 255",
        ] {
            assert!(!is_complaint(line), "{line}");
        }
    }
}
