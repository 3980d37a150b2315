//! `eval` on files that are not what they should be: it names the line and what is wrong with it, keeps the answers that it has
//! given, and prints no half of another.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use smmu_inspect::eval::{self, EvalError, Problem, Summary};
use std::io::{self, Write};

const META: &str = r#"{"_meta":{"file":"atc_range"}}"#;
const GOOD: &str = r#"{"in":{"sid":1,"ssid":0,"iova":"0x1000","size":"0x1000"}}"#;
const ANSWER: &str = "{\"addr\":\"0x1000\",\"span_log2\":0,\"dw\":[\"0x100000040\",\"0x1000\"]}\n";

/// What `text` makes, and what is written meanwhile.
fn run(text: &str, kind: Option<&str>) -> (Result<Summary, EvalError>, String) {
    let mut out = Vec::new();
    let result = eval::run(&mut text.as_bytes(), "some.jsonl", kind, &mut out);
    (result, String::from_utf8(out).unwrap())
}

/// The problem with the third line of a file whose second line is good.
fn problem_of(line: &str) -> String {
    let (result, out) = run(&format!("{META}\n{GOOD}\n{line}\n{GOOD}\n"), None);
    let error = result.unwrap_err();
    assert_eq!(out, ANSWER, "{line}: the answer before stays, nothing after it");
    assert_eq!((error.name.as_str(), error.line), ("some.jsonl", 3), "{line}");
    error.to_string()
}

#[test]
fn an_empty_file_has_no_answers() {
    for text in ["", "\n", META] {
        let (result, out) = run(text, None);
        assert_eq!((result.unwrap(), out.as_str()), (Summary::default(), ""));
    }
}

#[test]
fn a_file_that_was_cut_off() {
    for cut in [1, 20, GOOD.len() - 1] {
        let (result, out) = run(&format!("{META}\n{GOOD}\n{}", &GOOD[..cut]), None);
        let error = result.unwrap_err();
        assert!(matches!(error.problem, Problem::Truncated), "{error}");
        assert_eq!((error.line, out.as_str()), (3, ANSWER));
    }
    // Only the end of line is missing: the record is whole.
    let (result, out) = run(&format!("{META}\n{GOOD}"), None);
    assert_eq!((result.unwrap().answered, out.as_str()), (1, ANSWER));
}

#[test]
fn lines_that_are_no_records() {
    for line in ["{", "nonsense", "[1]", "12", r#"{"in":}"#, "{} {}", "\u{0}"] {
        let text = problem_of(line);
        assert!(text.starts_with("some.jsonl, line 3: not a JSON record: "), "{text}");
    }
    let mut out = Vec::new();
    let bytes = b"{\"in\": \"\xff\"}\n";
    let error = eval::run(&mut &bytes[..], "some.jsonl", Some("atc_range"), &mut out).unwrap_err();
    assert!(matches!(error.problem, Problem::Json { .. }) && out.is_empty());
}

#[test]
fn inputs_that_are_missing() {
    assert_eq!(problem_of("{}"), "some.jsonl, line 3: the record lacks in");
    assert_eq!(
        problem_of(r#"{"in":{"sid":1,"ssid":0,"iova":"0x1000"}}"#),
        "some.jsonl, line 3: the record lacks in.size"
    );
    let ste = r#"{"maker":"s2","in":{"attr_types_ovr":true,"stall_enabled":false,"ats":false,"vttbr":"0x0","s2fwb":false,"vtcr":{"tg":0}}}"#;
    let (result, out) = run(ste, Some("ste"));
    assert_eq!(result.unwrap_err().to_string(), "some.jsonl, line 1: the record lacks in.vtcr.sl");
    assert_eq!(out, "");
}

#[test]
fn inputs_that_do_not_fit() {
    for value in [
        r#""0x10000000000000000""#,
        "18446744073709551616",
        "-1",
        "1.5",
        "null",
        "true",
        r#""4096""#,
        r#""0x""#,
        r#""0x+1""#,
        "[1]",
    ] {
        let shown: Value = serde_json::from_str(value).unwrap();
        assert_eq!(
            problem_of(&format!(r#"{{"in":{{"sid":1,"ssid":0,"iova":{value},"size":1}}}}"#)),
            format!("some.jsonl, line 3: in.iova is {shown}, not a number of at most 64 bits")
        );
    }
    assert_eq!(problem_of(r#"{"in":7}"#), "some.jsonl, line 3: in is 7, not an object");
    let bad = |kind, line| run(line, Some(kind)).0.unwrap_err().problem.to_string();
    assert_eq!(
        bad("hitless", r#"{"kind":"ste","cur":["0x0"],"target":["0x0"]}"#),
        r#"cur is ["0x0"], not a list of 8 numbers of at most 64 bits"#
    );
    assert_eq!(
        bad("commands", r#"{"cmd":"CFGI_STE","in":{"sid":1,"leaf":1}}"#),
        "in.leaf is 1, not true or false"
    );
    assert_eq!(bad("commands", r#"{"cmd":5,"in":{}}"#), "cmd is 5, not a string");
    let queue = r#"{"in":{"log2_size":1,"prod":4294967296,"cons":0,"n":1,"prod2":0,"hwprod":0}}"#;
    assert_eq!(bad("queue", queue), r#"in.prod is "0x100000000", not a number of 32 bits"#);
}

#[test]
fn a_value_too_wide_for_its_field_is_an_error_of_the_input() {
    for (kind, record, error) in [
        (
            "atc_range",
            r#"{"in":{"sid":4294967296,"ssid":0,"iova":0,"size":1}}"#,
            "StreamId 0x100000000 does not fit in 32 bits",
        ),
        (
            "atc_range",
            r#"{"in":{"sid":1,"ssid":1048576,"iova":0,"size":1}}"#,
            "SubstreamId 0x100000 does not fit in 20 bits",
        ),
        (
            "atc_range",
            r#"{"in":{"sid":1,"ssid":0,"iova":"0x5000","size":0}}"#,
            "empty address range at 0x5000",
        ),
        (
            "commands",
            r#"{"cmd":"TLBI_NH_ASID","in":{"asid":65536,"vmid":1}}"#,
            "Asid 0x10000 does not fit in 16 bits",
        ),
        ("commands", r#"{"cmd":"TLBI_NH_ALL","in":{"asid":1,"vmid":1}}"#, "asid: the value 0x1 is reserved"),
        (
            "commands",
            r#"{"cmd":"CMD_SYNC","in":{"cs":"IRQ","msiaddr":"0x1002"}}"#,
            "command[1].MSIADDR: address 0x1002 is not aligned to 0x4 bytes",
        ),
        (
            "commands",
            r#"{"cmd":"CMD_SYNC","in":{"cs":"IRQ","msiaddr":"0x10000000000000"}}"#,
            "address 0x10000000000000 has bits above bit 51",
        ),
        (
            "commands",
            r#"{"cmd":"TLBI_NH_VAA","in":{"asid":0,"vmid":1,"addr":"0x0","leaf":true,"tg":1,"ttl":0,"num":0,"scale":0}}"#,
            "a range of one 4K granule without a level hint is a reserved encoding: use the page form",
        ),
        (
            "commands",
            r#"{"cmd":"TLBI_NH_VAA","in":{"asid":0,"vmid":1,"addr":"0x0","leaf":true,"tg":1,"ttl":0,"num":300,"scale":0}}"#,
            "num 0x12c does not fit in 8 bits",
        ),
        (
            "queue",
            r#"{"in":{"log2_size":20,"prod":0,"cons":0,"n":1,"prod2":0,"hwprod":0}}"#,
            "a queue has at most 2^19 entries, not 2^20",
        ),
    ] {
        let (result, out) = run(record, Some(kind));
        assert_eq!(result.unwrap(), Summary { records: 1, errors: 1, ..Summary::default() }, "{record}");
        assert_eq!(out, format!("{{\"error\":\"{error}\"}}\n"));
    }
}

#[test]
fn kinds_that_nobody_knows_are_skipped_one_by_one() {
    let (result, out) = run("{\"_meta\":{\"file\":\"weather\"}}\n{\"in\":{}}\n{}\n", Some("atc_range"));
    assert_eq!(result.unwrap(), Summary { records: 2, skipped: 2, ..Summary::default() });
    assert_eq!(out, "{\"skip\":\"records of kind \\\"weather\\\" are not evaluated\"}\n".repeat(2));
    for (kind, record) in [
        ("commands", r#"{"cmd":"SING","in":{}}"#),
        ("ste", r#"{"maker":"hand","in":{}}"#),
        ("cd", r#"{"maker":"hand","in":{}}"#),
        ("events", r#"{"kind":"party","in":{}}"#),
        ("nested", r#"{"kind":"user_song","in":{}}"#),
    ] {
        assert_eq!(run(record, Some(kind)).0.unwrap().skipped, 1, "{record}");
    }
}

#[test]
fn the_kind_comes_from_the_meta_line_the_caller_or_the_name() {
    let (result, out) = run(GOOD, None);
    let error = result.unwrap_err();
    assert!(matches!(error.problem, Problem::NoKind) && error.line == 1 && out.is_empty(), "{error}");
    assert_eq!(run(GOOD, Some("atc_range")).1, ANSWER);
    assert_eq!(run(&format!("{META}\n{GOOD}"), Some("queue")).1, ANSWER);
    let mut out = Vec::new();
    eval::run(&mut GOOD.as_bytes(), "/some/where/atc_range.jsonl", None, &mut out).unwrap();
    assert_eq!(out, ANSWER.as_bytes());
}

#[test]
fn recorded_outputs_are_not_looked_at() {
    let lying = GOOD.replace("}}", "},\"addr\":7,\"span_log2\":null,\"dw\":{},\"error\":\"no\"}");
    assert_eq!(run(&lying, Some("atc_range")).1, ANSWER);
}

#[test]
fn an_output_that_fails_ends_the_run() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = eval::run(&mut GOOD.as_bytes(), "-", Some("atc_range"), &mut Broken).unwrap_err();
    assert!(matches!(error.problem, Problem::Io(_)), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

/// What a domain record with this entry and these SMMUs is answered with.
fn domain(entry: &str, smmus: &str) -> Result<String, String> {
    let record = format!(
        r#"{{"kind":"domain_inv_range","in":{{"smmus":{smmus},"repeat_tlbi_cfgi":false,"inv":[{entry}],"iova":"0x1000","size":"0x1000","granule":"0x1000","leaf":true}}}}"#
    );
    let (result, out) = run(&format!("{record}\n"), Some("invs"));
    result.map(|_| out).map_err(|error| error.problem.to_string())
}

#[test]
fn entries_of_invalidation_arrays() {
    const SMMU: &str = r#"[{"range_inv":true,"force_sync":false,"msipoll":false}]"#;
    let good = domain(r#"[0,"S1_ASID",7,0,"0x12","0x11",12,1]"#, SMMU).unwrap();
    assert_eq!(
        good,
        r#"{"count":2,"cmds":[[0,"0x7000000000012","0x1701"],[0,"0xfc02046","0x0"]],"sync_after":[1]}"#
            .to_owned()
            + "\n"
    );
    // No entry at all.
    for entry in ["7", "[]", r#"[0,"S1_ASID",7,0,"0x12","0x11"]"#, r#"[0,"S1_ASID",-7,0,"0x12","0x11",12,1]"#]
    {
        let problem = domain(entry, SMMU).unwrap_err();
        assert_eq!(problem, format!("in.inv is {entry}, not a list of entries"));
    }
    assert_eq!(domain("", "[5]").unwrap_err(), "in.smmus is 5, not a list of objects",);
    // The architecture, or the system, has no such thing.
    for (entry, why) in [
        (r#"[0,"S1_ASID",65536,0,"0x12","0x11",12,1]"#, "Asid 0x10000 does not fit in 16 bits"),
        (r#"[0,"ATS",8,1048576,"0x40","0x40",0,1]"#, "SubstreamId 0x100000 does not fit in 20 bits"),
        (r#"[0,"S1_ASID",7,0,"0x12","0x11",13,1]"#, "there are no pages of 2^13 bytes"),
        (r#"[1,"S1_ASID",7,0,"0x12","0x11",12,1]"#, "SMMU 0x1: nobody has its queue"),
    ] {
        assert_eq!(domain(entry, SMMU).unwrap(), format!("{{\"error\":\"{why}\"}}\n"));
    }
    // Nobody to ask.
    assert!(domain(r#"[0,"S3_XXX",7,0,"0x12","0x11",12,1]"#, SMMU).unwrap().starts_with("{\"skip\":"));
    // Out of order: the library does not sort.
    let script = r#"{"kind":"script","ops":[{"op":"merge","arg":[[1,"S2_VMID",1,0,"0x2a","0x28",0],[0,"S2_VMID",1,0,"0x2a","0x28",0]]}]}"#;
    let (_, out) = run(&format!("{script}\n"), Some("invs"));
    assert_eq!(out, "{\"error\":\"SMMU 0x0: stage 2, VMID 0x1: not above the one before it\"}\n");
}
