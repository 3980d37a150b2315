//! For tests: where there is no QEMU, pass, but say so where it is seen.

use std::io::Write;

use crate::config::Config;
use crate::error::QemuError;
use crate::find::MINIMUM;
use crate::qemu::Qemu;

const REQUIRE: &str = "SMMU_REQUIRE_QEMU";

/// [`Qemu::start`] for tests. `Ok(None)` means that this computer has no suitable QEMU and the test should
/// pass; a line that says so has then been written to stderr, past the test harness's capture.
///
/// # Errors
/// Whatever [`Qemu::start`] returns, except that a missing or too old QEMU is an error only if the
/// environment variable `SMMU_REQUIRE_QEMU` is `1`.
pub fn start_or_skip(config: &Config) -> Result<Option<Qemu>, QemuError> {
    let required = std::env::var_os(REQUIRE).is_some_and(|value| value == "1");
    match Qemu::start(config) {
        Err(error) if is_excused(&error, required) => {
            // Not `eprintln!`, which the test harness would capture and show for failed tests only.
            let line = format!("skipped: needs qemu-system-aarch64 >= {MINIMUM} ({error})\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            Ok(None)
        }
        result => result.map(Some),
    }
}

fn is_excused(error: &QemuError, required: bool) -> bool {
    error.is_absence() && !required
}

#[cfg(test)]
mod tests {
    use super::is_excused;
    use crate::{QemuError, Version};

    #[test]
    fn only_absence_is_excused_and_only_if_qemu_is_not_required() {
        let missing = QemuError::Missing { looked_for: "x".into() };
        let version = |major| Version { major, minor: 0 };
        let old = QemuError::TooOld { path: "x".into(), version: version(7), needed: version(9) };
        let dead = QemuError::Died { status: None, stderr: Vec::new() };
        assert!(is_excused(&missing, false) && is_excused(&old, false) && !is_excused(&dead, false));
        assert!(!is_excused(&missing, true) && !is_excused(&old, true) && !is_excused(&dead, true));
    }
}
