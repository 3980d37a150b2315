//! A helper process that kills QEMU should *this* process end without running its destructors.
//!
//! QEMU does not end when its connection closes, and `Drop` does not run when a test program is killed,
//! aborts, or keeps a `Qemu` in a `static`. The guard is a shell that waits for the end of its standard
//! input, whose only other end is held here: the kernel closes that end however this process ends.

use std::process::{Child, Command, Stdio};

const SCRIPT: &str = "trap '' INT TERM HUP; read -r _; kill -KILL \"$1\"";

/// Kills one process when this process ends; does nothing any more once it is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    /// `None` if there is no shell: then only the destructors protect.
    shell: Option<Child>,
}

impl Guard {
    /// Guards the process `pid`, which must be an unreaped child of this process.
    pub(crate) fn watch(pid: u32) -> Self {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "smmu-qemu-guard"])
            .arg(pid.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok();
        Self { shell }
    }

    /// Ends the guard. Must be called before QEMU is waited for, lest the guard kill a stranger that got its
    /// number.
    pub(crate) fn dismiss(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            // Killed first, and its input closed (by `wait`) only then: a process with a SIGKILL pending runs
            // no further instruction of its own, so it never gets to its `kill`.
            let _ = shell.kill();
            let _ = shell.wait();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.dismiss();
    }
}
