//! A QEMU process and the connection to it. The first thing that goes wrong ends both and is remembered.

use std::path::Path;
use std::time::Duration;

use crate::error::QemuError;
use crate::process::Process;
use crate::protocol::{Command, Fault, Link, Size};
use crate::stderr::Stderr;

/// QEMU, as long as nothing has gone wrong; afterwards, the reason.
#[derive(Debug)]
pub(crate) struct Session {
    link: Link,
    process: Process,
    stderr: Stderr,
    failure: Option<QemuError>,
}

impl Session {
    /// Starts QEMU, with a time limit for each exchange.
    pub(crate) fn start(path: &Path, arguments: &[String], timeout: Duration) -> Result<Self, QemuError> {
        let stderr = Stderr::new().map_err(|error| QemuError::Ram { reason: error.to_string() })?;
        let (process, stream) = Process::start(path, arguments, &stderr)?;
        let link = Link::new(stream, timeout).map_err(|error| QemuError::Io { reason: error.to_string() })?;
        Ok(Self { link, process, stderr, failure: None })
    }

    /// Changes the time limit of each further exchange.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) -> Result<(), QemuError> {
        self.link.set_timeout(timeout).map_err(|error| QemuError::Io { reason: error.to_string() })
    }

    /// Carries out a few commands in order; the value of the last.
    ///
    /// # Errors
    /// What went wrong first, now or in an earlier call. QEMU is gone by the time this returns.
    pub(crate) fn run(&mut self, commands: &[Command]) -> Result<u64, QemuError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        self.link.run(commands).map_err(|fault| {
            let failure = self.describe(fault);
            self.process.kill();
            self.failure = Some(failure.clone());
            failure
        })
    }

    pub(crate) fn read(&mut self, size: Size, address: u64) -> Result<u64, QemuError> {
        self.run(&[Command::Read(size, address)])
    }

    pub(crate) fn write(&mut self, size: Size, address: u64, value: u64) -> Result<(), QemuError> {
        self.run(&[Command::Write(size, address, value)]).map(drop)
    }

    pub(crate) fn failure(&self) -> Option<&QemuError> {
        self.failure.as_ref()
    }

    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.stderr.complaints()
    }

    pub(crate) fn last_stderr_lines(&mut self) -> Vec<String> {
        self.stderr.last_lines()
    }

    /// QEMU's process number.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    fn describe(&mut self, fault: Fault) -> QemuError {
        match fault {
            Fault::Closed(bail_out) => {
                let status = self.process.wait_or_kill();
                let stderr = bail_out.into_iter().chain(self.stderr.last_lines()).collect();
                QemuError::Died { status, stderr }
            }
            Fault::Timeout(command) => {
                QemuError::Timeout { command: command.to_string(), after: self.link.timeout() }
            }
            Fault::Refused(command, reply) => QemuError::Refused { command: command.to_string(), reply },
            Fault::Io(error) => QemuError::Io { reason: error.to_string() },
        }
    }
}
