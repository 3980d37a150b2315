//! What the tool prints: sections, lines and checks, for a person or as JSON lines.

use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::io::{self, Write};

/// Where a report goes and how it looks.
pub struct Report<'o> {
    out: &'o mut dyn Write,
    json: bool,
    colour: bool,
    section: String,
    checks: u64,
    failed: Vec<String>,
    broken: Option<io::Error>,
}

impl<'o> Report<'o> {
    /// A report on `out`; `json` makes each line an object, `colour` uses terminal colours otherwise.
    pub fn new(out: &'o mut dyn Write, json: bool, colour: bool) -> Self {
        let section = String::new();
        Self { out, json, colour: colour && !json, section, checks: 0, failed: Vec::new(), broken: None }
    }

    fn emit(&mut self, text: &str) {
        if self.broken.is_none() {
            self.broken = writeln!(self.out, "{text}").err();
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Begins a section.
    pub fn section(&mut self, title: &str) {
        title.clone_into(&mut self.section);
        if self.json {
            self.emit(&json!({ "section": title }).to_string());
        } else {
            let line = self.paint("1", &format!("== {title}"));
            self.emit("");
            self.emit(&line);
        }
    }

    /// A line of a kind ("register", "command", "event", ...): for a person a margin note, for a machine a key.
    pub fn line(&mut self, kind: &str, text: impl Display) {
        if self.json {
            let line = json!({ "section": self.section, "kind": kind, "text": text.to_string() });
            self.emit(&line.to_string());
        } else {
            let text = text.to_string();
            for (number, line) in text.lines().enumerate() {
                let margin = if number == 0 { kind } else { "" };
                let margin = self.paint("2", &format!("{margin:>10}"));
                self.emit(&format!("{margin}  {line}"));
            }
        }
    }

    /// Something that must hold.
    pub fn check(&mut self, what: &str, holds: bool, found: impl Display) {
        self.checks += 1;
        let found = found.to_string();
        if !holds {
            self.failed.push(format!("{}: {what} ({found})", self.section));
        }
        if self.json {
            let line = json!({
                "section": self.section, "kind": "check", "text": what, "found": found, "ok": holds
            });
            self.emit(&line.to_string());
        } else {
            let mark = if holds { self.paint("32", "ok") } else { self.paint("31", "FAILED") };
            let indent = if holds { "        " } else { "    " };
            self.emit(&format!("{indent}{mark}  {what}: {found}"));
        }
    }

    /// Ends the report. True if every check held.
    ///
    /// # Errors
    /// The output could not be written.
    pub fn finish(mut self, extra: &[(&str, String)]) -> io::Result<bool> {
        let (checks, failed) = (self.checks, self.failed.clone());
        let passed = checks - failed.len() as u64;
        if self.json {
            let mut map = Map::new();
            map.insert("kind".into(), json!("summary"));
            map.insert("checks".into(), json!(checks));
            map.insert("passed".into(), json!(passed));
            map.insert("failed".into(), json!(failed));
            for (key, value) in extra {
                map.insert((*key).into(), json!(value));
            }
            self.emit(&Value::Object(map).to_string());
        } else {
            self.emit("");
            for line in &failed {
                let line = self.paint("31", &format!("FAILED: {line}"));
                self.emit(&line);
            }
            for (key, value) in extra {
                self.emit(&format!("{key}: {value}"));
            }
            self.emit(&format!("{checks} checks: {passed} passed, {} failed", failed.len()));
        }
        match self.broken {
            Some(error) => Err(error),
            None => Ok(failed.is_empty()),
        }
    }
}
