//! `smmu-inspect eval`: reference vectors in, the library's answers out.
//!
//! One JSON record per line; one line per answer, in order. What the library makes of a record's inputs is printed, what
//! the record says came out elsewhere is never looked at. There is no knowledge of the SMMU in here: a file per kind turns
//! inputs into calls of the library and results into JSON, no more.
//!
//! A record has one of three answers: its outputs; `{"error": ..}` where the architecture has no such thing and the
//! library says why; `{"skip": ..}` where there is nobody to ask. A line that is no such record at all ends the run.

mod atc_range;
mod cd;
mod command_queue;
mod commands;
mod error;
mod events;
mod hitless;
mod idr_probe;
mod input;
mod invs;
mod nested;
mod output;
mod pgtable;
mod queue;
mod reset;
mod smmu;
mod stage2;
mod ste;
mod tables;
mod tlbi_range;

pub use error::{EvalError, Problem};

use error::{Answer, Stop};
use input::Fields;
use serde_json::{Map, Value};
use std::io::{BufRead, Write};

/// What became of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Records read; the `_meta` line is none.
    pub records: u64,
    /// Answered with outputs.
    pub answered: u64,
    /// Answered with an error: the input is architecturally wrong.
    pub errors: u64,
    /// Not evaluated.
    pub skipped: u64,
}

/// How a record of one kind is answered.
type Evaluator = fn(&Fields<'_>) -> Answer;

/// The kinds, by the name that `_meta.file` gives.
const KINDS: &[(&str, Evaluator)] = &[
    ("commands", commands::answer),
    ("atc_range", atc_range::answer),
    ("tlbi_range", tlbi_range::answer),
    ("ste", ste::answer),
    ("cd", cd::answer),
    ("hitless", hitless::answer),
    ("events", events::answer),
    ("queue", queue::answer),
    ("reset", reset::answer),
    ("cmdq_issue", command_queue::issue),
    ("cmdq_err", command_queue::error),
    ("idr_probe", idr_probe::answer),
    ("nested", nested::answer),
    ("invs", invs::answer),
    ("tables", tables::answer),
    ("pgtable_cfg", pgtable::cfg),
    ("pgtable_prot", pgtable::prot),
    ("pgtable_pack", pgtable::pack),
    ("pgtable_range", pgtable::session),
    ("pgtable_maps", pgtable::session),
    ("pgtable_errors", pgtable::session),
    ("pgtable_dirty", pgtable::session),
    ("pgtable_ext_cfg", pgtable::extended_cfg),
    ("pgtable_ext_maps", pgtable::extended_session),
];

/// Answers every record of `input` on `out`, line by line.
///
/// The kind of the records is what their `_meta` line says, else `kind`, else the stem of `name` if that is a kind.
/// `name` is the file's, for messages too.
///
/// ```
/// let record = br#"{"in":{"sid":1,"ssid":0,"iova":"0x1000","size":"0x1000"}}"#;
/// let mut out = Vec::new();
/// let summary = smmu_inspect::eval::run(&mut &record[..], "-", Some("atc_range"), &mut out)?;
/// assert_eq!(summary.answered, 1);
/// assert_eq!(out, b"{\"addr\":\"0x1000\",\"span_log2\":0,\"dw\":[\"0x100000040\",\"0x1000\"]}\n");
/// # Ok::<(), smmu_inspect::eval::EvalError>(())
/// ```
///
/// # Errors
/// A line that is no record of its kind, no kind, or no input or output; see [`Problem`]. Answers to earlier lines have
/// been written, and nothing of the bad one.
pub fn run(
    input: &mut dyn BufRead,
    name: &str,
    kind: Option<&str>,
    out: &mut dyn Write,
) -> Result<Summary, EvalError> {
    let mut summary = Summary::default();
    let mut kind = kind.or_else(|| kind_of_name(name)).map(str::to_owned);
    let mut bytes = Vec::new();
    let mut line = 0;
    loop {
        bytes.clear();
        line += 1;
        let at = |problem| EvalError { name: name.to_owned(), line, problem };
        let read = input.read_until(b'\n', &mut bytes).map_err(|error| at(Problem::Io(error)))?;
        if read == 0 {
            return Ok(summary);
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let record = parse(&bytes).map_err(at)?;
        if let Some(meta) = record.get("_meta") {
            if let Some(file) = meta.get("file").and_then(Value::as_str) {
                kind = Some(file.to_owned());
            }
            continue;
        }
        let kind = kind.as_deref().ok_or(Problem::NoKind).map_err(at)?;
        let answer = match KINDS.iter().find(|(known, _)| *known == kind) {
            Some((_, evaluator)) => evaluator(&Fields::of_record(&record)),
            None => Err(Stop::Skip(format!("records of kind \"{kind}\" are not evaluated"))),
        };
        summary.records += 1;
        let answer = match answer {
            Ok(outputs) => {
                summary.answered += 1;
                outputs
            }
            Err(Stop::Refused(why)) => {
                summary.errors += 1;
                output::object([("error", why.into())])
            }
            Err(Stop::Skip(why)) => {
                summary.skipped += 1;
                output::object([("skip", why.into())])
            }
            Err(Stop::Input(problem)) => return Err(at(problem)),
        };
        // In one piece, so that there is never half a line.
        let text = format!("{}\n", Value::Object(answer));
        out.write_all(text.as_bytes()).map_err(|error| at(Problem::Io(error)))?;
    }
}

/// A line as an object.
fn parse(line: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(record)) => Ok(record),
        Ok(_) => Err(Problem::Json { what: "not an object".to_owned() }),
        // A line that ends too early and has no end of line is the end of a file that was cut off.
        Err(error) if error.is_eof() && !line.ends_with(b"\n") => Err(Problem::Truncated),
        Err(error) => Err(Problem::Json { what: error.to_string() }),
    }
}

/// The kind that a file's name suggests.
fn kind_of_name(name: &str) -> Option<&str> {
    let file = name.rsplit(['/', '\\']).next()?;
    let stem = file.split('.').next()?;
    KINDS.iter().map(|(known, _)| *known).find(|known| *known == stem)
}
