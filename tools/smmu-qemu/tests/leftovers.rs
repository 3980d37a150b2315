//! A test program that ends without running destructors leaves neither QEMU nor a file behind.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use smmu_qemu::{Config, Qemu, start_or_skip};

/// Set for the program that `abort_leaves_nothing` starts: this one again, to run `aborts` only.
const ROLE: &str = "SMMU_QEMU_TEST_ABORTS";
const PATIENCE: Duration = Duration::from_secs(10);

/// The files in `directory`.
fn files(directory: &Path) -> Vec<String> {
    std::fs::read_dir(directory).unwrap().map(|entry| format!("{:?}", entry.unwrap().file_name())).collect()
}

#[test]
fn aborts() {
    if let Some(report) = std::env::var_os(ROLE) {
        let qemu = Qemu::start(&Config::default()).unwrap();
        let path = Path::new(&report);
        let alive = Path::new(&format!("/proc/{}", qemu.process_id())).exists();
        std::fs::write(path, format!("{} {alive} {:?}", qemu.process_id(), files(&std::env::temp_dir())))
            .unwrap();
        std::process::abort();
    }
}

#[test]
fn abort_leaves_nothing() {
    if start_or_skip(&Config::default()).unwrap_or_else(|error| panic!("{error}")).is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (report, temporary) = (directory.path().join("report"), directory.path().join("tmp"));
    std::fs::create_dir(&temporary).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "aborts"])
        .env(ROLE, &report)
        .env("TMPDIR", &temporary)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success(), "it aborted");
    let report = std::fs::read_to_string(&report).unwrap();
    let mut words = report.splitn(3, ' ');
    let process = format!("/proc/{}", words.next().unwrap());
    assert_eq!(
        (words.next(), words.next()),
        (Some("true"), Some("[]")),
        "QEMU ran, and no file ever had a name"
    );

    let deadline = Instant::now() + PATIENCE;
    while Path::new(&process).exists() && !is_zombie(&process) {
        assert!(Instant::now() < deadline, "QEMU {process} outlived the program that started it");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(files(&temporary).is_empty());
}

/// In a container without an init, nobody collects the orphan.
fn is_zombie(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
}
