//! The tool as a stranger uses it: output, exit codes, and what it says when something is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::Value;
use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_smmu-inspect")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The last line of a demo, and its exit code.
fn demo(args: &[&str]) -> (String, Option<i32>) {
    let output = run(args);
    let last = text(&output.stdout).lines().last().unwrap_or_default().to_owned();
    (last, output.status.code())
}

#[test]
fn the_demo_passes_on_every_profile_of_the_model() {
    for setting in ["plain", "adversarial", "adversarial-128"] {
        for profile in ["maximum", "non-coherent", "qemu", "mmu600", "mmu700", "mmu-s3"] {
            let (last, code) = demo(&["demo", "--profile", profile, "--setting", setting]);
            assert!(last.ends_with(" passed, 0 failed"), "{profile}, {setting}: {last}");
            assert_eq!(code, Some(0), "{profile}, {setting}");
        }
    }
}

#[test]
fn the_demo_passes_on_qemu() {
    let required = std::env::var("SMMU_REQUIRE_QEMU").is_ok_and(|value| value == "1");
    match smmu_qemu::Qemu::find() {
        Err(error) if !required => eprintln!("skipped: {error}"),
        _ => {
            let (last, code) = demo(&["demo", "--machine", "qemu"]);
            assert!(last.ends_with(" passed, 0 failed"), "{last}");
            assert_eq!(code, Some(0));
        }
    }
}

/// Runs `differ`, if there is QEMU.
fn differ(args: &[&str]) -> Option<Output> {
    let required = std::env::var("SMMU_REQUIRE_QEMU").is_ok_and(|value| value == "1");
    match smmu_qemu::Qemu::find() {
        Err(error) if !required => {
            eprintln!("skipped: {error}");
            None
        }
        _ => Some(run(&[&["differ"], args].concat())),
    }
}

#[test]
fn the_model_is_compared_with_qemu() {
    let Some(output) = differ(&["--seed", "0x5eed", "--sequences", "5"]) else { return };
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("5 sequences") && said.ends_with("they agree\n"), "{said}");
    // Nothing but the report: no progress in a pipe.
    assert!(output.stderr.is_empty());
}

#[test]
fn a_comparison_as_json_adds_up() {
    let Some(output) = differ(&["--one", "--seed", "8", "--json"]) else { return };
    let said: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!((&said["sequences"], &said["agree"]), (&1.into(), &true.into()), "{said}");
    let judged: u64 = ["exact", "member", "excused"].iter().map(|key| said[key].as_u64().unwrap()).sum();
    assert!(judged > 0 && judged <= said["operations"].as_u64().unwrap(), "{said}");
}

#[test]
fn json_is_json_and_says_the_same() {
    let output = run(&["demo", "--json"]);
    let lines: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let checks = lines.iter().filter(|line| line["kind"] == "check").count();
    assert!(checks > 30 && lines.iter().all(|line| line["ok"] != false));
    let summary = lines.last().unwrap();
    assert_eq!((&summary["kind"], &summary["checks"]), (&"summary".into(), &checks.into()));
    assert_eq!(summary["failed"].as_array().unwrap().len(), 0);
}

#[test]
fn there_is_no_colour_in_a_pipe() {
    assert!(!run(&["demo"]).stdout.contains(&0x1b));
}

#[test]
fn a_wrong_command_line_is_2_and_names_what_is_wrong() {
    for (args, named) in [
        (&["bogus"][..], "bogus"),
        (&["demo", "--machine", "cray"], "cray"),
        (&["demo", "--profile", ""], "profile"),
        (&["eval"], "FILE"),
        (&["probe", "--idr0", "zz", "--idr1", "0", "--idr5", "0"], "zz"),
        (&["probe", "--idr0", "0x100000000", "--idr1", "0", "--idr5", "0"], "0x100000000"),
        (&["probe", "--idr0", "0", "--idr1", "0", "--idr5", "0", "--httu", "4"], "httu"),
        (&["probe", "--idr0", "0", "--idr1", "0", "--idr5", "0", "--model", "cray"], "cray"),
        (&["probe", "--idr0", "0", "--idr1", "0", "--idr5", "0", "--guest", "--host-under-el2"], "--guest"),
        (&["decode", "event", "1", "2"], "4 words"),
        (&["decode", "ste", "zz"], "zz"),
        (&["differ", "--seed", "zz"], "zz"),
        (&["differ", "--one", "--minutes", "1"], "--minutes"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(named), "{args:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn errata_are_listed_with_what_they_match() {
    let output = run(&["errata"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(said.lines().count(), 2 * smmu_regs::caps::ERRATA.len(), "{said}");
    for part in [
        "1076982 (Arm MMU-600 up to r0p2)",
        "[without SEV]",
        "IIDR implementer 0x43b, product 0x487, r0p0 to r0p15 or r0p0 to r15p0",
        "firmware that names Tegra264",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_guests_registers_can_be_probed_again() {
    // The README's SMMU, with broadcast maintenance.
    let host = [
        "--idr0",
        "0x084d76bb",
        "--idr1",
        "0x0e739d20",
        "--idr3",
        "0x7714",
        "--idr5",
        "0x00400476",
        "--aidr",
        "3",
    ];
    for (whose, ats) in [("--guest", true), ("--host-under-el2", false)] {
        let output = run(&[&["probe", whose][..], &host].concat());
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let words: Vec<&str> = said.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        let [idr0, idr1, _, idr3, _, idr5, _, _, aidr] = words[..] else { panic!("{said}") };
        let guest = ["--idr0", idr0, "--idr1", idr1, "--idr3", idr3, "--idr5", idr5, "--aidr", aidr];
        let output = run(&[&["probe", "--strict"][..], &guest].concat());
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(said.contains("SMMUv3.3") && said.contains(" S1P "), "{said}");
        assert!(!said.contains("S2P") && !said.contains("BTM") && said.contains(" ATS ") == ats, "{said}");
    }
}

#[test]
fn what_firmware_says_counts() {
    let qemu = ["probe", "--idr0", "0x0d44101b", "--idr1", "0x02730010", "--idr5", "0x74", "--aidr", "1"];
    for (more, told, not) in [
        (&[][..], &["COHACC", "none known", "Level0"][..], &["quirks"][..]),
        (&["--coherent", "false"], &["none known"], &["COHACC"]),
        (&["--httu", "2"], &["hardware updates  Dirty"], &[]),
        (
            &["--model", "cn99xx"],
            &["PAGE0_REGS_ONLY", "COMBINED_IRQ", "\n                  126 ("],
            &["none known"],
        ),
        (&["--model", "hi161x"], &["SKIP_PREFETCH UNTRANSLATED_MSI"], &["none known"]),
        (&["--model", "tegra264"], &["REPEAT_CFGI_TLBI"], &["none known"]),
    ] {
        let output = run(&[&qemu[..], more].concat());
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(told.iter().all(|part| said.contains(part)), "{more:?}: {said}");
        assert!(!not.iter().any(|part| said.contains(part)), "{more:?}: {said}");
    }
}

#[test]
fn a_failure_is_1_and_names_what_failed() {
    for (args, named) in [
        (&["eval", "/nonexistent.jsonl"][..], "/nonexistent.jsonl"),
        (&["probe", "--idr0", "0x0d441018", "--idr1", "0", "--idr5", "0x10"], "0x0d441018"),
        (&["probe", "--strict", "--idr0", "0x1f44101b", "--idr1", "0", "--idr5", "0x10"], "ST_LEVEL"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(text(&output.stderr).contains(named), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_missing_qemu_is_one_line_that_says_what_to_do() {
    for args in [&["demo", "--machine", "qemu"][..], &["differ"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smmu-inspect"));
        let output = command.args(args).env("SMMU_QEMU", "/nope").output().unwrap();
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains("/nope") && said.contains("install"), "{said}");
    }
}
