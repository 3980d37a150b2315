//! The qtest protocol: one line out, one line back, each awaited for a limited time.
//!
//! Several commands can be sent in one go; QEMU carries them out in order. It answers `OK`, `OK 0x<hex>` or
//! `FAIL <why>`. Lines that begin with `IRQ ` come unasked. An assertion that fails inside QEMU appears as a
//! `Bail out!` line, and then QEMU ends.

use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A reply longer than this is not qtest's.
const LONGEST: usize = 64 << 10;

/// Access size of a [`Command`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    B2,
    B4,
    B8,
}

/// One bus access at a guest-physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Read(Size, u64),
    Write(Size, u64, u64),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |size: &Size| match size {
            Size::B2 => 'w',
            Size::B4 => 'l',
            Size::B8 => 'q',
        };
        match self {
            Self::Read(size, address) => write!(f, "read{} {address:#x}", letter(size)),
            Self::Write(size, address, value) => write!(f, "write{} {address:#x} {value:#x}", letter(size)),
        }
    }
}

/// How an exchange failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// QEMU closed the connection; its "Bail out!" line, if any.
    Closed(Option<String>),
    /// No reply to this command in time.
    Timeout(Command),
    /// A reply other than `OK`.
    Refused(Command, String),
    /// Anything else the operating system reports.
    Io(io::Error),
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    timeout: Duration,
    /// Received bytes; those before `start` are consumed.
    input: Vec<u8>,
    start: usize,
    output: String,
}

impl Link {
    pub(crate) fn new(stream: UnixStream, timeout: Duration) -> io::Result<Self> {
        let mut link = Self { stream, timeout, input: Vec::new(), start: 0, output: String::new() };
        link.set_timeout(timeout)?;
        Ok(link)
    }

    /// The time limit of each further exchange. A limit of zero becomes 1 ms.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.timeout = timeout.max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(self.timeout))?;
        self.stream.set_write_timeout(Some(self.timeout))
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends all commands at once and awaits all replies; the value of the last reply, 0 if it has none.
    ///
    /// Only for a few commands: QEMU must be able to answer before we read.
    pub(crate) fn run(&mut self, commands: &[Command]) -> Result<u64, Fault> {
        let Some(first) = commands.first() else { return Ok(0) };
        self.output.clear();
        for command in commands {
            // Writing to a String cannot fail.
            let _ = writeln!(self.output, "{command}");
        }
        self.stream.write_all(self.output.as_bytes()).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Fault::Timeout(*first),
            // QEMU is gone. What it said last may still be there to be read.
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Fault::Closed(self.last_words()),
            _ => Fault::Io(error),
        })?;
        let deadline = Instant::now() + self.timeout;
        let mut value = 0;
        for command in commands {
            value = self.reply(*command, deadline)?;
        }
        Ok(value)
    }

    fn reply(&mut self, command: Command, deadline: Instant) -> Result<u64, Fault> {
        loop {
            let line = self.line(command, deadline)?;
            if line.starts_with("IRQ ") {
                continue;
            }
            if line.starts_with("Bail out!") {
                return Err(Fault::Closed(Some(line)));
            }
            let value = match (line.strip_prefix("OK"), command) {
                (Some(rest), Command::Read(..)) => {
                    rest.strip_prefix(" 0x").and_then(|hex| u64::from_str_radix(hex, 16).ok())
                }
                (Some(""), Command::Write(..)) => Some(0),
                _ => None,
            };
            return value.ok_or(Fault::Refused(command, line));
        }
    }

    /// The next line, without its end.
    fn line(&mut self, command: Command, deadline: Instant) -> Result<String, Fault> {
        let mut searched = self.start;
        loop {
            let unsearched = self.input.get(searched..).unwrap_or_default();
            if let Some(length) = unsearched.iter().position(|byte| *byte == b'\n') {
                let end = searched + length;
                let line = self.input.get(self.start..end).unwrap_or_default();
                let line = String::from_utf8_lossy(line).trim_end().to_string();
                self.start = end + 1;
                return Ok(line);
            }
            self.input.drain(..self.start);
            self.start = 0;
            searched = self.input.len();
            if searched > LONGEST {
                return Err(Fault::Refused(command, format!("more than {LONGEST} bytes without a line end")));
            }
            self.fill(command, deadline)?;
        }
    }

    /// Receives at least one byte. The deadline is checked too, for a QEMU that sends, but nothing of use.
    fn fill(&mut self, command: Command, deadline: Instant) -> Result<(), Fault> {
        let mut chunk = [0; 4096];
        loop {
            if Instant::now() >= deadline {
                return Err(Fault::Timeout(command));
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Fault::Closed(None)),
                Ok(count) => {
                    self.input.extend(chunk.iter().take(count));
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(Fault::Timeout(command)),
                    ErrorKind::ConnectionReset => return Err(Fault::Closed(None)),
                    _ => return Err(Fault::Io(error)),
                },
            }
        }
    }

    /// A "Bail out!" line among what a QEMU that has closed the connection left unread.
    fn last_words(&mut self) -> Option<String> {
        let mut rest = Vec::new();
        // An error is the end as well; what came before it is kept.
        let _ = (&self.stream).take(LONGEST as u64).read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).lines().find(|line| line.starts_with("Bail out!")).map(String::from)
    }
}
