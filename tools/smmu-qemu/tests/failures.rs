//! QEMU dies, stops, is absent or is something else: an error that says so, in time, and nothing left behind.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use common::{default, start, word};
use smmu_qemu::{Config, Qemu, QemuError, Width, start_or_skip};

/// The part of a fake QEMU that answers `--version`.
const NEW_ENOUGH: &str = "[ \"$1\" = --version ] && exec echo 'QEMU emulator version 10.0.2'";

fn signal(name: &str, process: u32) {
    let status = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {process}")]).status().unwrap();
    assert!(status.success());
}

/// A program that is not a usable QEMU. It is written by a shell, because a file that this process has open
/// for writing while another test starts a process may not be executable at first ("text file busy").
fn fake(directory: &Path, name: &str, script: &str) -> PathBuf {
    let path = directory.join(name);
    let status = Command::new("/bin/sh")
        .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod +x \"$1\"", "fake"])
        .args([path.as_os_str(), script.as_ref()])
        .status()
        .unwrap();
    assert!(status.success());
    path
}

fn start_program(path: PathBuf) -> QemuError {
    let config = Config { qemu: Some(path), reply_timeout: Duration::from_millis(200), ..Config::default() };
    Qemu::start(&config).expect_err("this is no QEMU")
}

/// After a failure, everything fails at once, with the same error.
fn assert_dead(qemu: &Qemu, process: u32) {
    let failure = qemu.failure().expect("something went wrong");
    assert!(!Path::new(&format!("/proc/{process}")).exists(), "no process left");
    let started = Instant::now();
    for _ in 0..1000 {
        assert_eq!(qemu.smmu_read(0, Width::W32), 0xffff_ffff);
        assert_eq!(qemu.smmu_read(0x80, Width::W64), u64::MAX);
        qemu.smmu_write(0x20, Width::W32, 0);
        assert_eq!(qemu.dma_invert(0, qemu.ram_base()), Err(failure.clone()));
    }
    assert!(started.elapsed() < Duration::from_secs(2), "fails fast");
    assert_eq!(qemu.failure(), Some(failure));
    let (word, _) = word(qemu, 0x40);
    word.store(5, SeqCst);
    assert_eq!(word.load(SeqCst), 5, "RAM is still there");
}

#[test]
fn killed() {
    let Some(qemu) = default() else { return };
    let process = qemu.process_id();
    assert_eq!(qemu.failure(), None);
    signal("KILL", process);
    assert_eq!(qemu.smmu_read(0, Width::W32), 0xffff_ffff);
    let failure = qemu.failure().unwrap();
    assert!(matches!(&failure, QemuError::Died { status: Some(_), .. }), "{failure:?}");
    assert!(failure.to_string().contains("signal: 9"), "{failure}");
    assert_dead(&qemu, process);
}

#[test]
fn killed_and_first_noticed_by_dma() {
    let Some(qemu) = default() else { return };
    signal("KILL", qemu.process_id());
    let result = qemu.dma_invert(0, qemu.ram_base());
    assert!(matches!(result, Err(QemuError::Died { .. })), "{result:?}");
    assert_eq!(qemu.failure(), result.err());
}

/// A context descriptor with IPS = 7 hits an assertion in QEMU 10. If a newer one does not, the test has no
/// subject.
#[test]
fn assertion_in_qemu() {
    let Some(qemu) = default() else { return };
    let process = qemu.process_id();
    let table = qemu.ram_base() + 0x1_0000;
    let descriptor = qemu.ram_base() + 0x2_0000;
    // STE of StreamID 8: stage 1, one context descriptor.
    word(&qemu, 0x1_0000 + 64 * 8).0.store(1 | 5 << 1 | descriptor, SeqCst);
    // T0SZ = 16, EPD1, V, IPS = 7, AA64, R, A.
    let cd = 16 | 1 << 30 | 1 << 31 | 7 << 32 | 1 << 41 | 1 << 45 | 1 << 46;
    word(&qemu, 0x2_0000).0.store(cd, SeqCst);
    qemu.smmu_write(0x80, Width::W64, table);
    qemu.smmu_write(0x88, Width::W32, 5);
    qemu.smmu_write(common::CR0, Width::W32, 1);
    match qemu.dma_invert(0, 0x1000) {
        Ok(()) => assert_eq!(qemu.failure(), None),
        Err(failure) => {
            assert!(matches!(failure, QemuError::Died { .. }), "{failure:?}");
            assert!(failure.to_string().contains("Bail out!"), "{failure}");
            assert_dead(&qemu, process);
        }
    }
}

#[test]
fn stopped() {
    let config = Config { reply_timeout: Duration::from_millis(300), ..Config::default() };
    let Some(qemu) = start(&config) else { return };
    let process = qemu.process_id();
    signal("STOP", process);
    let started = Instant::now();
    assert_eq!(qemu.smmu_read(0x60, Width::W32), 0xffff_ffff);
    let elapsed = started.elapsed();
    assert!(elapsed >= Duration::from_millis(290) && elapsed < Duration::from_secs(5), "{elapsed:?}");
    let failure = qemu.failure().unwrap();
    let command = "readl 0x9050060".to_string();
    assert_eq!(failure, QemuError::Timeout { command, after: Duration::from_millis(300) });
    assert_dead(&qemu, process);
}

#[test]
fn missing() {
    let path = PathBuf::from("/nonexistent/qemu-system-aarch64");
    let error = start_program(path.clone());
    assert_eq!(error, QemuError::Missing { looked_for: path.display().to_string() });
    let text = error.to_string();
    for part in ["/nonexistent/", "install-qemu.sh", "SMMU_QEMU", "9.1"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(matches!(start_program("no-such-program".into()), QemuError::Missing { .. }));
}

#[test]
fn too_old() {
    let directory = tempfile::tempdir().unwrap();
    let path = fake(directory.path(), "old", "echo 'QEMU emulator version 7.2.11 (Debian 1:7.2+dfsg-7)'");
    let error = start_program(path);
    assert!(matches!(error, QemuError::TooOld { .. }), "{error:?}");
    let text = error.to_string();
    for part in ["/old is QEMU 7.2", "9.1 or newer", "install-qemu.sh"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn something_else() {
    let directory = tempfile::tempdir().unwrap();
    let error = start_program(fake(directory.path(), "other", "echo hello"));
    assert!(matches!(&error, QemuError::NotQemu { output, .. } if output == "hello"), "{error:?}");
    let plain = directory.path().join("plain");
    std::fs::write(&plain, "not a program").unwrap();
    let error = start_program(plain);
    assert!(matches!(&error, QemuError::Spawn { reason, .. } if reason.contains("ermission")), "{error:?}");
}

#[test]
fn dies_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let script = format!("{NEW_ENOUGH}; echo 'no such machine' >&2; exit 3");
    let error = start_program(fake(directory.path(), "dies", &script));
    let QemuError::Died { status: Some(status), stderr } = &error else { panic!("{error:?}") };
    assert_eq!(status.code(), Some(3));
    assert_eq!(stderr, &["no such machine"]);
    assert_eq!(error.to_string(), "QEMU died (exit status: 3): no such machine");
}

#[test]
fn talks_nonsense_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let script = format!("{NEW_ENOUGH}; echo FAIL what; exec sleep 100");
    let error = start_program(fake(directory.path(), "nonsense", &script));
    let expected = QemuError::Refused { command: "readl 0x9050000".into(), reply: "FAIL what".into() };
    assert_eq!(error, expected);
}

#[test]
fn a_broken_qemu_is_not_skipped() {
    let broken = start_or_skip(&Config { qemu: Some("/bin/true".into()), ..Config::default() });
    assert!(matches!(broken, Err(QemuError::NotQemu { .. })), "{broken:?}");
}
