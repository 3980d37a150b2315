//! Capabilities as a table that a person can read.

use super::Caps;
use core::fmt;

impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "architecture      SMMUv3.{}", self.minor_version)?;
        writeln!(f, "features          {}", self.features)?;
        writeln!(f, "output addresses  {}", self.oas)?;
        writeln!(f, "stage-1 input     {} bits", self.stage1_input_bits)?;
        writeln!(f, "granules          {}", self.granules)?;
        writeln!(f, "ASID, VMID        {} bits, {} bits", self.asid_bits, self.vmid_bits)?;
        writeln!(f, "StreamID          {} bits", self.stream_id_bits)?;
        writeln!(f, "SubstreamID       {} bits", self.substream_id_bits)?;
        writeln!(
            f,
            "queue limits      commands 2^{}, events 2^{}, page requests 2^{}",
            self.command_queue_log2, self.event_queue_log2, self.pri_queue_log2
        )?;
        writeln!(f, "on a fault        {:?}, at most {} stalled", self.stall_model, self.stall_max)?;
        writeln!(f, "break-before-make {:?}", self.bbm)?;
        writeln!(f, "hardware updates  {:?}", self.httu)?;
        write!(f, "errata            ")?;
        let mut errata = self.errata().peekable();
        if errata.peek().is_none() {
            f.write_str("none known")?;
        }
        for (index, erratum) in errata.enumerate() {
            if index != 0 {
                f.write_str("; ")?;
            }
            write!(f, "{} ({}): {}", erratum.id, erratum.part, erratum.text)?;
        }
        if !self.quirks.is_empty() {
            write!(f, "\nquirks            {}", self.quirks)?;
        }
        for oddity in self.oddities().iter() {
            write!(f, "\nodd               {oddity}")?;
        }
        Ok(())
    }
}
