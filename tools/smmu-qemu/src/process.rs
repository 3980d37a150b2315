//! QEMU as a child process: started with its input, output and log connected; ended for certain.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::error::QemuError;
use crate::guard::Guard;
use crate::stderr::Stderr;

/// How long a QEMU whose connection is closed may take to end by itself (it may be writing a core file).
const GRACE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(2);

/// A running (or ended) QEMU. Dropping it kills QEMU and waits for it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    guard: Guard,
    /// QEMU has been waited for, so its process number is no longer its own.
    reaped: bool,
}

impl Process {
    /// Starts `path`. The stream that is returned is QEMU's standard input and output.
    ///
    /// A socket pair rather than pipes, because std can put a time limit on a socket's reads.
    pub(crate) fn start(
        path: &Path,
        arguments: &[String],
        stderr: &Stderr,
    ) -> Result<(Self, UnixStream), QemuError> {
        let failed =
            |error: std::io::Error| QemuError::Spawn { path: path.into(), reason: error.to_string() };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let input = OwnedFd::from(theirs.try_clone().map_err(failed)?);
        // The `Command`, and with it our copy of QEMU's end, is gone after this statement: when QEMU
        // ends, `ours` reads as ended.
        let child = Command::new(path)
            .args(arguments)
            .stdin(input)
            .stdout(OwnedFd::from(theirs))
            .stderr(stderr.writer().map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        let guard = Guard::watch(child.id());
        Ok((Self { child, guard, reaped: false }, ours))
    }

    /// QEMU's process number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a QEMU that is ending by itself; its status, or `None` if it had to be killed.
    pub(crate) fn wait_or_kill(&mut self) -> Option<ExitStatus> {
        self.guard.dismiss();
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    self.reaped = true;
                    return Some(status);
                }
                Ok(None) => std::thread::sleep(POLL),
                Err(_) => break,
            }
        }
        self.kill();
        None
    }

    /// Kills QEMU, also a stopped one, and waits until it is gone. Harmless if it is gone already.
    pub(crate) fn kill(&mut self) {
        if self.reaped {
            return;
        }
        self.guard.dismiss();
        // Errors would mean that QEMU is not our child any more: then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.reaped = true;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
